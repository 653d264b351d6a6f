"""The ground of a container: an image, and mounts of what is the session's and nothing else."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nsml_core.errors import Error, Invalid, Refused
from nsml_core.settings import Settings
from nsml_protos import session_pb2
from nsml_runner import carried, jobs, marks, meeting, sdk_files, tools, wishes
from nsml_runner.box import Box, Mount
from nsml_runner.conduct import is_isolated
from nsml_runner.containers import Engine
from nsml_runner.feed import Feed
from nsml_runner.ground import Footing, Prepared
from nsml_runner.images import Image, Images
from nsml_runner.networks import Network, Networks, name_of, network_name
from nsml_runner.node import OWN, Node
from nsml_runner.node_env import proxies
from nsml_runner.sandbox import Command
from nsml_runner.sandbox_docker import DockerSandbox
from nsml_runner.user_env import Surroundings, devices, entry, make_shared
from nsml_runner.workdir import WorkDir

_log = logging.getLogger("nsml.runner")
_NAMELESS = ("none", "bridge", "default")


class DockerGround:
    def __init__(self, node: Node, work: WorkDir, settings: Settings, feed: Feed) -> None:
        self._node = node
        self._work = work
        self._settings = settings
        self._feed = feed
        self._engine: Engine | None = None
        self._image: Image | None = None
        self._box: Box | None = None
        self._network: asyncio.Future[Network] | None = None
        self._holds = contextlib.ExitStack()

    async def prepare(self, session: session_pb2.Session) -> Footing:
        spec, code = session.spec, self._work.code
        user = self._user(spec)
        for note in wishes.secrets(code):
            self._feed.say(note)
        self._engine = engine = await asyncio.to_thread(Engine)
        self._box = self._limits(session, user)
        marks.mark(self._work.root, self._box.labels)
        if self._box.network == OWN:
            self._join(engine)
        room = spec.disk_bytes or self._node.disk_bytes
        building = replace(
            self._box, user="0:0", devices=(), mounts=self._for_builds(), disk_bytes=room
        )
        images = Images(engine, self._node, building, self._feed.say, self._log, self._online)
        self._image = found = await images.get(session, code)
        await self._online()
        if not found.probe.path and not spec.HasField("job"):
            raise Invalid(f"The image {found.name} has no Python: choose one that has, by --image.")
        identity = await images.remember(found, spec, code)
        return Footing(f"image-{identity}", found.probe.packages, found.probe.python)

    def _join(self, engine: Engine) -> None:
        """Begin to make the network of this attempt, beside all else."""
        assert self._box is not None  # noqa: S101 - it was just made
        labels = self._box.labels
        held = Networks(engine, self._settings.cache).held(labels, self._node.networks)
        self._network = asyncio.ensure_future(asyncio.to_thread(self._holds.enter_context, held))
        self._box = replace(self._box, network=network_name(labels))

    async def _online(self) -> None:
        """Wait for the network; whatever is not on it need not."""
        if self._network is not None:
            await asyncio.shield(self._network)

    def _log(self, data: bytes) -> None:
        self._feed.log(session_pb2.BUILD, data)

    def _user(self, spec: session_pb2.Spec) -> str:
        if spec.root:
            if not self._node.allows_root or os.getuid():
                raise Refused("Nobody is root in the containers of this node: leave out --root.")
            self._work.let_be_root()
            return "0:0"
        user = self._work.user
        return f"{os.getuid()}:{os.getgid()}" if user is None else f"{user}:{user}"

    def _limits(self, session: session_pb2.Session, user: str) -> Box:
        spec, attempt = session.spec, session.attempts[-1]
        return Box(
            image="",
            user=user,
            labels=marks.labels(self._settings.home, session.name, attempt.number, attempt.node),
            network="none" if spec.no_network else self._node.network,
            memory_bytes=spec.resources.memory_bytes,
            shm_bytes=spec.shm_bytes or self._node.shm_bytes,
            scratch_bytes=self._node.scratch_bytes,
            processes=self._node.processes,
            devices=tuple(attempt.devices),
        )

    def address(self, rank: int) -> str:
        """By what was settled; else by a name, which the engine gives on networks not its own."""
        assert self._box is not None  # noqa: S101 - it was prepared
        network = self._box.network
        settled = self._node.address
        if self._network is not None:
            settled = self._network.result().address(rank)
        if settled:
            self._box = replace(self._box, address=settled)
            return settled
        if network == "host":
            return meeting.address()
        if network in _NAMELESS:
            raise Refused(
                f"Containers on the network '{network}' cannot meet those of other nodes: an "
                f"administrator sets NSML_SANDBOX_NETWORK to {OWN}, or to one that spans the nodes."
            )
        self._box = replace(self._box, alias=name_of(self._box.labels))
        return self._box.alias

    def _for_builds(self) -> list[Mount]:
        mounts = [Mount(self._work.code, str(self._work.seen.code)), *tools.mounts()]
        return carried.on_node(mounts, self._settings.home)

    async def command(
        self,
        prepared: Prepared,
        assignment: session_pb2.Assignment,
        folder: Path,
        trace: str,
    ) -> Command:
        return await asyncio.to_thread(self._command, prepared, assignment, folder, trace)

    def _command(
        self, prepared: Prepared, assignment: session_pb2.Assignment, folder: Path, trace: str
    ) -> Command:
        image, session, work = self._image, assignment.session, self._work
        assert image is not None  # noqa: S101 - it was prepared
        assert self._box is not None  # noqa: S101 - it was prepared
        shared = make_shared(self._settings.shared, session)
        around = Surroundings(
            work=work,
            socket=work.seen.root / "sdk.sock",
            node={**proxies(), "HOME": str(work.seen.home)},
            datasets={name: work.seen.data / name for name in prepared.datasets},
            traceparent=trace,
            shared=work.seen.root / "shared" if shared else None,
            devices=seen_devices(devices(assignment)),
        )
        mounts = [*self._own(), *self._read(prepared, folder, image)]
        if session.spec.HasField("job"):
            job = jobs.mount(work, prepared.datasets, assignment)
            command = entry(image.probe.path, around, job.assignment)
            command = replace(command, argv=job.argv, cwd=job.cwd)
            mounts += job.mounts
        else:
            command = entry(image.probe.path, around, assignment)
        # What a board has laid here lies in this folder; datasets are links to what all may read.
        laid = [data for data in prepared.datasets.values() if data.is_relative_to(work.data)]
        own = (work.code, work.output, work.scratch, work.home, work.loaded)
        for folder_given in (*own, *laid):
            work.give(folder_given)
        mounts += self._handed_over()
        room = session.spec.disk_bytes or self._node.disk_bytes
        writes = tuple(mount.source for mount in mounts if mount.writable)
        if shared:
            work.give(shared)
            mounts.append(Mount(shared, str(around.shared), writable=True))
        network = "none" if is_isolated(session.spec) else self._box.network
        seen = carried.on_node(mounts, self._settings.home)
        self._box = replace(self._box, image=image.id, mounts=seen, network=network)
        return replace(command, writes=writes, disk_bytes=room)

    def _own(self) -> list[Mount]:
        """Return what user code may write to."""
        work = self._work
        work.home.mkdir()
        folders = (work.code, work.output, work.scratch, work.home)
        return [Mount(folder, str(work.inside(folder)), writable=True) for folder in folders]

    def _read(self, prepared: Prepared, folder: Path, image: Image) -> list[Mount]:
        """Return what it may read."""
        seen = self._work.seen
        shims = sdk_files.shims(image.probe.has)
        return [
            Mount(self._work.loaded, str(seen.loaded)),
            *_socket(folder, seen),
            Mount(sdk_files.sdk_package(), str(seen.sdk / "nsml")),
            *(Mount(shim, str(seen.shims / shim.name)) for shim in shims),
            *(Mount(data, str(seen.data / name)) for name, data in prepared.datasets.items()),
            *(Mount(data, f"/data/{name}") for name, data in prepared.datasets.items()),
        ]

    def _handed_over(self) -> list[Mount]:
        files = [
            self._work.root / f"{name}" for name in ("config.json", "config.yaml", "params.json")
        ]
        return [Mount(file, str(self._work.inside(file))) for file in files if file.is_file()]

    def sandbox(self) -> DockerSandbox:
        assert self._engine is not None  # noqa: S101 - it was prepared
        assert self._box is not None  # noqa: S101 - it was prepared
        return DockerSandbox(self._engine, self._box, self._settings.cache / "cpus")

    async def close(self) -> None:
        """Leave the network; one that the engine keeps goes when the next one is made."""
        if self._network is None:
            return
        await asyncio.wait({self._network})
        if self._network.exception() is not None:
            return  # whoever waited for it has said so
        try:
            await asyncio.to_thread(self._holds.close)
        except Error as error:
            _log.warning("%s", error.sentence)


def _socket(folder: Path, seen: WorkDir) -> list[Mount]:
    """Return where the SDK is heard; an evaluation has none."""
    socket = folder / "sdk.sock"
    return [Mount(socket, str(seen.root / "sdk.sock"))] if socket.exists() else []


def seen_devices(names: Sequence[str]) -> list[str]:
    """Return GPUs as a container counts them: from 0, whichever they are; UUIDs stay."""
    return [str(place) if name.isdigit() else name for place, name in enumerate(names)]
