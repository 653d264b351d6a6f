"""What code asks for above an image, and how it is put there: by installers, in a container."""

import asyncio
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

from nsml_core.errors import Invalid
from nsml_protos import session_pb2
from nsml_runner import disk, requirements, tools, wishes
from nsml_runner.box import Box
from nsml_runner.build import READ_SETUP, TAIL_LINES
from nsml_runner.containers import Engine
from nsml_runner.outcomes import amounts
from nsml_runner.pins import Pins
from nsml_runner.probe import Probe
from nsml_runner.requirements import Needs

CODE = "/nsml/code"
_SCRATCH = "/tmp"  # noqa: S108 - of the container, and in no image
_COPY = f"{_SCRATCH}/code"
_PINS = f"{_SCRATCH}/pins.txt"
_DECLARED = f"{_SCRATCH}/setup.txt"
_TAIL_BYTES = 4096
_PACKAGE = re.compile(r"[A-Za-z0-9][\w.+:~-]*(=[\w.+:~-]+)?", re.ASCII)
_OF_THE_ENGINE = ("---> ", "Removing intermediate container ")
"""Lines of a build that say nothing of why it failed."""

_WAIT = ("sleep", "infinity")
_SYSTEM = """
export DEBIAN_FRONTEND=noninteractive
if command -v apt-get >/dev/null; then
    apt-get -o APT::Sandbox::User=root update &&
    apt-get -o APT::Sandbox::User=root install -y --no-install-recommends "$@"
elif command -v dnf >/dev/null; then dnf install -y "$@"
elif command -v yum >/dev/null; then yum install -y "$@"
elif command -v apk >/dev/null; then apk add --no-cache "$@"
else echo "the image has none of apt-get, dnf, yum and apk"; exit 1
fi
"""
_CONDA = """
conda=$(command -v mamba || command -v conda || command -v micromamba) || {
    echo "the image has no conda: choose one that has, or list packages in requirements.txt"
    exit 1
}
exec "$conda" env update -n base -f environment.yml
"""


@dataclass(frozen=True, slots=True)
class Asked:
    needs: Needs
    system: tuple[str, ...]
    conda: bytes
    """What is in `environment.yml`; empty: there is none."""

    pins: tuple[str, ...] = ()
    """Packages as an attempt of the past recorded them, in place of the needs."""

    exactly: bool = False

    @classmethod
    def of(cls, code: Path, spec: session_pb2.Spec) -> Self:
        conda = code / "environment.yml"
        system = tuple(sorted({name for names in wishes.packages(code) for name in names}))
        for name in system:
            if not _PACKAGE.fullmatch(name):
                raise Invalid(f"{name[:100]!r} is no name of a system package: correct it.")
        found = conda.read_bytes() if conda.is_file() else b""
        pins = tuple(spec.packages)
        return cls(requirements.read(code), system, found, pins, bool(spec.python))

    @property
    def nothing(self) -> bool:
        return not (self.system or self.conda or self.pins) and (self.exactly or self.needs.nothing)

    def sources(self) -> str:
        names = [
            "system packages" if self.system else "",
            "environment.yml" if self.conda else "",
            "the packages that were recorded" if self.exactly else self.needs.sources(),
        ]
        return ", ".join(filter(None, names))

    def key(self, base: str, code_tree: str) -> str:
        """Return the name of the image by content."""
        if self.exactly:
            python = Pins(self.needs, self.pins).key(code_tree, base)
        else:
            python = self.needs.key(code_tree, base)
        parts = [python, *self.system, self.conda.hex()]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


class Layer:
    """One build; everything that it prints is passed on."""

    def __init__(
        self,
        engine: Engine,
        box: Box,
        asked: Asked,
        probe: Probe,
        log: Callable[[bytes], None],
    ) -> None:
        self._engine = engine
        self._box = box
        self._asked = asked
        self._probe = probe
        self._log = log
        self._tail = b""
        self._cwd = CODE

    async def build(self, base: str, tag: str) -> str:
        box = replace(self._box, image=base, is_build=True)
        container = await asyncio.to_thread(self._engine.create, box, _WAIT, "/")
        try:
            await asyncio.to_thread(self._engine.start, container)
            await self._install(container)
            return await asyncio.to_thread(self._engine.commit, container, tag)
        finally:
            await asyncio.to_thread(self._engine.remove, container)

    async def _install(self, container: str) -> None:
        """Take all steps, and hold them to the disk that they may use."""
        measure, limit = partial(self._engine.written, container), self._box.disk_bytes
        watching = asyncio.create_task(disk.watch(measure, limit))
        installing = asyncio.create_task(self._take_steps(container))
        try:
            await asyncio.wait({watching, installing}, return_when=asyncio.FIRST_COMPLETED)
            if not installing.done():
                await asyncio.to_thread(self._engine.remove, container)
                await asyncio.wait({installing})
                said = f"out of disk: wrote {amounts(watching.result(), limit)}"
                raise Invalid(failed(self._asked.sources(), said)) from installing.exception()
            installing.result()
        finally:
            watching.cancel()
            installing.cancel()

    async def _take_steps(self, container: str) -> None:
        for argv in self._steps():
            await self._step(container, argv)

    def _steps(self) -> list[list[str]]:
        asked, steps = self._asked, []
        if asked.system:
            steps.append(["sh", "-c", _SYSTEM, "packages", *asked.system])
        if asked.conda:
            steps.append(["sh", "-c", _CONDA])
        return steps + (self._exactly() if asked.exactly else self._python())

    def _exactly(self) -> list[list[str]]:
        pins = Pins(self._asked.needs, self._asked.pins).requirements()
        if not self._asked.pins:
            return []
        return [
            ["sh", "-c", f'printf "%s\\n" "$0" > {_PINS}', pins],
            self._pip("--no-deps", "--requirement", _PINS),
        ]

    def _python(self) -> list[list[str]]:
        needs = self._asked.needs
        if needs.nothing:
            return []
        # Builds write beside their sources, which other builds read.
        steps, arguments = [["sh", "-c", f"cp -R {CODE} {_COPY}"]], list(needs.dependencies)
        if needs.setup:
            steps.append([self._probe.path, "-c", READ_SETUP, _DECLARED])
            arguments += ["--requirement", _DECLARED]
        if needs.requirements:
            editable = r"s/^[[:space:]]*(-e|--editable)[[:space:]=]+//"
            steps.append(["sh", "-c", f"sed -E -i '{editable}' {_COPY}/requirements.txt"])
            arguments += ["--requirement", f"{_COPY}/requirements.txt"]
        return [*steps, self._pip(*arguments)]

    def _pip(self, *arguments: str) -> list[str]:
        return [self._probe.path, "-m", "pip", "install", "--no-input", *tools.QUIET, *arguments]

    async def _step(self, container: str, argv: Sequence[str]) -> None:
        is_code = argv[0] == self._probe.path and self._asked.needs.files
        cwd = _COPY if is_code and not self._asked.exactly else CODE
        env = tools.environment(self._probe)
        code = await asyncio.to_thread(self._engine.run, container, argv, env, cwd, self._take)
        if code != 0:
            tail = self._tail.decode(errors="replace")
            raise Invalid(failed(self._asked.sources(), tail))

    def _take(self, data: bytes) -> None:
        self._log(data)
        self._tail = (self._tail + data)[-_TAIL_BYTES:]


def failed(source: str, printed: str) -> str:
    """Say what an installer said last; all of it is in the log."""
    lines = [line.strip() for line in printed.splitlines()]
    lines = [line for line in lines if line and not line.startswith(_OF_THE_ENGINE)]
    last = "; ".join(lines[-TAIL_LINES:]) or "nothing was printed"
    return f"The image could not be built from {source}: {last}"
