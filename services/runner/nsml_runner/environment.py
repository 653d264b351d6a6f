"""Virtual environments for user code, kept by content, so that a second run starts at once."""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import AsyncFileLock

from nsml_core.errors import Invalid
from nsml_runner import pins, requirements
from nsml_runner.build import Build
from nsml_runner.pins import Pins
from nsml_runner.requirements import Needs

MARKER = "complete.json"
"""Written last: an environment without it was never finished."""


@dataclass(frozen=True, slots=True)
class Environment:
    """An interpreter with packages."""

    folder: Path

    identity: str
    """Interpreter and packages by content: the same in every home and on every node."""

    packages: tuple[str, ...]
    """What is in it, as it can be asked for again: name==version, or name @ where it came from."""

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def sites(self) -> list[Path]:
        """Where its packages lie."""
        return list(self.folder.glob("lib*/python*/site-packages"))


class Environments:
    """The cache of a node; several runners use it at once."""

    def __init__(
        self, cache: Path, say: Callable[[str], None], log: Callable[[bytes], None]
    ) -> None:
        self._cache = cache
        self._say = say
        self._log = log

    async def get(self, code: Path, code_tree: str) -> Environment:
        """Return one with what the code asks for."""
        needs = requirements.read(code)
        found = await self._get(self._cache / needs.key(code_tree), needs)
        if found.packages:
            exactly = Pins(needs, found.packages)
            self._remember(self._pinned / exactly.key(code_tree), found.folder)
        return found

    async def get_exactly(
        self, code: Path, code_tree: str, packages: Sequence[str], python: str
    ) -> Environment:
        """Return one with these packages and nothing else, on this version of the interpreter."""
        if python != pins.python():
            raise Invalid(pins.other_python(python))
        if not packages:
            return await self.get(code, code_tree)
        wanted = Pins(requirements.read(code), tuple(packages))
        return await self._get(self._pinned / wanted.key(code_tree), wanted.needs, wanted)

    @property
    def _pinned(self) -> Path:
        return self._cache / "pinned"

    def _remember(self, name: Path, folder: Path) -> None:
        """Whoever asks for exactly these packages need not build them again."""
        name.parent.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            name.symlink_to(folder, target_is_directory=True)

    async def _get(self, folder: Path, needs: Needs, exactly: Pins | None = None) -> Environment:
        if found := usable(folder, exactly):
            return found
        folder.parent.mkdir(parents=True, exist_ok=True)
        async with AsyncFileLock(f"{folder}.lock", poll_interval=0.1):
            if found := usable(folder, exactly):
                return found
            return await self._build(folder, needs, exactly)

    async def _build(self, folder: Path, needs: Needs, exactly: Pins | None) -> Environment:
        clear(folder)
        if exactly is not None:
            self._say("Building the environment from the packages that were recorded")
        elif not needs.nothing:
            self._say(f"Building the environment from {needs.sources()}")
        await Build(needs, folder, self._log, exactly).run()
        versions, packages = pins.installed(folder, needs.code)
        identity = identify(versions, packages)
        content = {"identity": identity, "packages": versions, "pins": packages}
        unfinished = folder / f"{MARKER}.new"
        unfinished.write_text(json.dumps(content, indent=1))
        unfinished.replace(folder / MARKER)
        return Environment(folder, identity, tuple(packages))


def clear(folder: Path) -> None:
    """Make room for an environment; what led to one that is no good any more leads nowhere."""
    if folder.is_symlink():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def usable(folder: Path, exactly: Pins | None = None) -> Environment | None:
    """A finished environment whose interpreter is there; anything else has to be built again."""
    try:
        kept = json.loads((folder / MARKER).read_bytes())
        found = Environment(folder.resolve(), kept["identity"], tuple(kept["pins"]))
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError):
        return None
    if exactly is not None and set(found.packages) != set(exactly.packages):
        return None  # it was built anew, and resolved to something else
    return found if os.access(found.python, os.X_OK) else None


def identify(versions: list[str], packages: list[str]) -> str:
    interpreter = requirements.interpreter().split(" ", 1)[0]
    elsewhere = [pin for pin in packages if " @ " in pin]
    lines = "\n".join([interpreter, *versions, *elsewhere])
    digest = hashlib.sha256(lines.encode()).hexdigest()
    return f"{interpreter}-{digest[:16]}"
