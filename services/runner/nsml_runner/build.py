"""Builds one virtual environment, telling what the installer prints as it prints it."""

import asyncio
import contextlib
import importlib.util
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from nsml_core.errors import Invalid, Refused
from nsml_runner.node_env import build_env
from nsml_runner.pins import Pins
from nsml_runner.requirements import Needs

TAIL_LINES = 3
"""How much of a failed build's output goes into the outcome; all of it is in the log."""

READ_SETUP = """
import sys, setuptools, distutils.core
found = distutils.core.run_setup("setup.py", stop_after="config")
with open(sys.argv[1], "w") as file:
    file.write("\\n".join(found.install_requires or ()))
"""
"""Asks setup.py what it needs; the project is not installed, for its code runs where it lies."""

_EDITABLE = re.compile(r"^\s*(?:-e|--editable)[\s=]+", re.MULTILINE)


class Build:
    def __init__(
        self,
        needs: Needs,
        folder: Path,
        log: Callable[[bytes], None],
        pins: Pins | None = None,
    ) -> None:
        self._needs = needs
        self._folder = folder
        self._log = log
        self._pins = pins
        self._tail = b""

    async def run(self) -> None:
        base = getattr(sys, "_base_executable", sys.executable)
        await self._step(base, "-m", "venv", "--without-pip", str(self._folder))
        if self._pins is not None:
            await self._install_exactly(self._pins)
        else:
            await self._install_what_is_asked()

    async def _install_exactly(self, pins: Pins) -> None:
        """Nothing is resolved: what belongs together was found out when it was resolved first."""
        listed = self._folder / "pins.txt"
        listed.write_text(pins.requirements())
        await self._install("--no-deps", "--requirement", str(listed))

    async def _install_what_is_asked(self) -> None:
        arguments: list[str] = []
        if self._needs.setup:
            declared = self._folder / "setup-requirements.txt"
            await self._step(sys.executable, "-c", READ_SETUP, str(declared))
            arguments += ["--requirement", str(declared)]
        if self._needs.requirements:
            arguments += ["--requirement", str(self._requirements())]
        arguments += self._needs.dependencies
        if arguments:
            await self._install(*arguments)

    @property
    def _python(self) -> Path:
        return self._folder / "bin" / "python"

    def _requirements(self) -> Path:
        """The file as it is, but without editable installs: they would end with this attempt."""
        given = self._needs.code / "requirements.txt"
        text = given.read_text(errors="replace")
        if not _EDITABLE.search(text):
            return given
        changed = self._folder / "requirements.txt"
        changed.write_text(_EDITABLE.sub("", text))
        return changed

    async def _install(self, *arguments: str) -> None:
        if importlib.util.find_spec("pip") is None:
            raise Refused(
                f"{sys.executable} has no pip to install requirements with: "
                "run `python -m ensurepip` there, or start the platform from another environment."
            )
        pip = [sys.executable, "-m", "pip", "--python", str(self._python), "--no-input"]
        quiet = [
            "--disable-pip-version-check",
            "--progress-bar",
            "off",
            "--no-warn-script-location",
        ]
        await self._step(*pip, "install", *quiet, *arguments)

    async def _step(self, *argv: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=self._needs.code,
            env=build_env(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            await self._follow(process)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        if process.returncode != 0:
            raise Invalid(self._explain())

    async def _follow(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 - asked for above
        while data := await process.stdout.read(1 << 16):
            self._log(data)
            self._tail = (self._tail + data)[-4096:]
        await process.wait()

    def _explain(self) -> str:
        text = self._tail.decode(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        last = "; ".join(lines[-TAIL_LINES:]) or "nothing was printed"
        if self._pins is not None:
            return self._pins.explain(text, last)
        source = self._needs.sources() or "no requirements"
        return f"The environment could not be built from {source}: {last}"
