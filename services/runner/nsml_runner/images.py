"""Images for user code: found or pulled, with what the code asks for above, made once."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import AsyncFileLock

from nsml_core.errors import Invalid, NotFound, Refused
from nsml_protos import session_pb2
from nsml_runner import pins, wishes
from nsml_runner.box import Box
from nsml_runner.containers import Credential, Engine
from nsml_runner.layer import Asked, Layer, failed
from nsml_runner.node import Node
from nsml_runner.probe import Probe, probe
from nsml_runner.registries import PRIVATE, Registries, hidden

LAYERS = "nsml-layer"
FILES = "nsml-dockerfile"
_NAME = re.compile(r"[A-Za-z0-9][\w.:/@-]{0,254}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Image:
    id: str
    name: str
    base: str
    """The id of the image that it was made from; its own, if nothing was added."""

    probe: Probe
    """What was found in it."""


class Images:
    """Those of a node; several runners use them at once."""

    def __init__(
        self,
        engine: Engine,
        node: Node,
        box: Box,
        say: Callable[[str], None],
        log: Callable[[bytes], None],
        online: Callable[[], Awaitable[None]],
    ) -> None:
        self._engine = engine
        self._node = node
        self._online = online
        """Returns when builds may use their network."""
        self._box = box
        """Of containers that build, but for the image."""
        self._say = say
        self._log = log
        self._registries = Registries(node)

    async def get(self, session: session_pb2.Session, code: Path) -> Image:
        """Return one with what the code asks for, or with what an earlier attempt had."""
        spec = session.spec
        name = wanted(spec, code)
        if not name and (code / "Dockerfile").is_file():
            return await self._known(await self._from_dockerfile(spec, code), "of the Dockerfile")
        name = name or self._node.image
        base = await self._known(await self._base(name, session), name)
        asked = Asked.of(code, spec)
        if asked.exactly and spec.python != base.probe.python:
            raise Invalid(pins.other_python(spec.python, base.probe.python))
        if asked.nothing:
            return base
        return replace(await self._known(await self._layer(base, asked, spec), name), base=base.id)

    async def _known(self, image: str, name: str) -> Image:
        notes = self._node.cache / "probes"
        found = await asyncio.to_thread(probe, self._engine, self._box, image, notes)
        return Image(image, name, image, found)

    async def remember(self, image: Image, spec: session_pb2.Spec, code: Path) -> str:
        """Let whoever asks for exactly these packages find them; return their name by content."""
        exactly = replace(Asked.of(code, spec), pins=image.probe.packages, exactly=True)
        key = exactly.key(image.base, spec.code_tree)
        await asyncio.to_thread(self._engine.tag, image.id, f"{LAYERS}:{key}")
        return key

    # ------------------------------------------------------------------------------ base images

    async def _base(self, name: str, session: session_pb2.Session) -> str:
        if not _NAME.fullmatch(name) or name.startswith((LAYERS, FILES, PRIVATE)):
            raise Invalid(f"{name[:100]!r} is no name of an image: write it like python:3.12.")
        credential = self._registries.find(session.spec.registry, session.owner)
        here = hidden(name, credential) if credential else name
        if found := await asyncio.to_thread(self._engine.image, here):
            return found
        self._say(f"Fetching image {name}")
        async with self._alone(hashlib.sha256(here.encode()).hexdigest()[:32]):
            if found := await asyncio.to_thread(self._engine.image, here):
                return found
            return await self._pull(name, here, credential)

    async def _pull(self, name: str, here: str, credential: Credential | None) -> str:
        try:
            await asyncio.to_thread(self._engine.pull, name, credential, self._tell)
            found = await asyncio.to_thread(self._engine.image, name)
        except (NotFound, Refused) as error:
            raise Invalid(
                f"The image {name} is not on this node, and could not be fetched: "
                f"{error.sentence.rstrip('.')}. Look at its name, or name the credential of a "
                "private registry by --registry."
            ) from None
        if found is None:
            raise Invalid(f"The image {name} was fetched and is not there: name its tag.")
        if here != name:
            await asyncio.to_thread(self._engine.tag, found, here)
            await asyncio.to_thread(self._engine.untag, name)
        return found

    def _tell(self, line: str) -> None:
        if line.strip():
            self._log(line.rstrip().encode() + b"\n")

    # ------------------------------------------------------------------------------ made here

    async def _from_dockerfile(self, spec: session_pb2.Spec, code: Path) -> str:
        tag = f"{FILES}:{hashlib.sha256(spec.code_tree.encode()).hexdigest()[:32]}"
        async with self._once(tag) as found:
            if found:
                return found
            self._say("Building docker image from the Dockerfile")
            return await self._build_file(tag, code)

    async def _build_file(self, tag: str, code: Path) -> str:
        printed: list[str] = []

        def log(text: str) -> None:
            printed.append(text)
            self._log(text.encode())

        await self._online()
        try:
            network = self._box.network
            await asyncio.to_thread(self._engine.build, code, tag, network, log)
        except (Refused, NotFound) as error:
            printed.append(error.sentence)
            raise Invalid(failed("the Dockerfile", "".join(printed))) from None
        found = await asyncio.to_thread(self._engine.image, tag)
        assert found is not None  # noqa: S101 - the engine has just made it
        return found

    async def _layer(self, base: Image, asked: Asked, spec: session_pb2.Spec) -> str:
        tag = f"{LAYERS}:{asked.key(base.id, spec.code_tree)}"
        async with self._once(tag) as found:
            if found:
                return found
            self._say(f"Building docker image: {asked.sources()} above {base.name}")
            await self._online()
            return await Layer(self._engine, self._box, asked, base.probe, self._log).build(
                base.id, tag
            )

    @asynccontextmanager
    async def _once(self, tag: str) -> AsyncIterator[str | None]:
        """Give an image, or the right to make it: others who want it wait meanwhile."""
        found = await asyncio.to_thread(self._engine.image, tag)
        if found:
            yield found
            return
        async with self._alone(tag.replace(":", "-")):
            yield await asyncio.to_thread(self._engine.image, tag)

    def _alone(self, key: str) -> AsyncFileLock:
        locks = self._node.cache / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        return AsyncFileLock(f"{locks / key}.lock", poll_interval=0.1)


def wanted(spec: session_pb2.Spec, code: Path) -> str:
    """Return the image that a person asks for, or else the code; empty: neither does."""
    return spec.image or spec.job.image or next(wishes.images(code), "")
