"""A node of this host: its folder, and the warm process there that runners are children of.

That process outlives the scheduler; where there is none it is started.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import psutil

from nsml_core.errors import Unavailable
from nsml_core.settings import Settings, run_dir

_START_TRIES = 200
_SERVICES_ONLY = (
    *("NSML_NATS_URL", "NSML_NATS_MONITOR_URL", "NSML_POSTGRES_URL"),
    *("NSML_SMTP_URL", "NSML_WEBHOOK_URL", "NSML_WEBHOOK_SECRET"),
)

Attempt = tuple[str, int]


class Forkserver:
    """Speaks with the forkserver of one node, the first of this host or another."""

    def __init__(self, settings: Settings, index: int = 0) -> None:
        self.work = settings.work / ".nodes" / str(index + 1) if index else settings.work
        """Where the folders of its attempts are."""

        name = f"forkserver-{index + 1}.sock" if index else "forkserver.sock"
        self._socket = run_dir(settings.home) / name
        self._log = settings.home / "logs" / "runners.log"
        # Without the folder, as in a home restored from a backup, nobody knows what ran here.
        self._remembers = self.work.exists()
        self._lock = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    def folder(self, session: str, attempt: int) -> Path:
        """Return the folder of an attempt."""
        return self.work / session / str(attempt)

    async def runners(self) -> list[dict[str, Any]]:
        """Return the runners that are there."""
        runners: list[dict[str, Any]] = (await self.ask({"op": "list"}))["runners"]
        return runners

    async def gone(self, attempts: Collection[Attempt]) -> set[Attempt]:
        """Return those that it does not know and that have no process any more."""
        known = {(runner["session"], runner["attempt"]) for runner in await self.runners()}
        return {each for each in attempts if each not in known and self._is_over(*each)}

    def was_claimed(self, session: str, attempt: int) -> bool:
        """Return whether a runner of the attempt began, or may have begun where we forgot it.

        One that has left cleared its folder.
        """
        return not self._remembers or (self.folder(session, attempt) / "runner.pid").exists()

    def _is_over(self, session: str, attempt: int) -> bool:
        """Look for the processes that the attempt's folder names.

        Kill user code that lost its runner.
        """
        work = self.folder(session, attempt)
        if _process(work / "runner.pid"):
            return False
        orphan = _process(work / "user.pid")
        if orphan:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(orphan.pid, signal.SIGKILL)
            return False  # look again when it is gone
        return True

    async def ask(self, request: dict[str, object]) -> dict[str, Any]:
        """Return its answer; start it where it is not there."""
        for _ in range(_START_TRIES):
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._socket))
            except (FileNotFoundError, ConnectionRefusedError):
                async with self._lock:
                    await self._start()
                await asyncio.sleep(0.02)
                continue
            try:
                writer.write(json.dumps(request).encode() + b"\n")
                await writer.drain()
                line = await reader.readline()
            except ConnectionError:  # it was killed while we asked
                continue
            finally:
                writer.close()
            if line:
                answer: dict[str, Any] = json.loads(line)
                return answer
        raise Unavailable(f"The forkserver does not answer: look at {self._log}.")

    async def _start(self) -> None:
        """Start one unless ours is on its way.

        Of two that race for the socket one leaves by itself.
        """
        if self._process is not None and self._process.returncode is None:
            return
        env = {key: value for key, value in os.environ.items() if key not in _SERVICES_ONLY}
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "nsml_runner.forkserver"),
                *(str(self._socket), str(self.work)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=env,
                start_new_session=True,
            )


def _process(file: Path) -> psutil.Process | None:
    """Return the process that a file of its work folder names, if it is still that one."""
    try:
        named = json.loads(file.read_text())
        process = psutil.Process(named["pid"])
        if abs(process.create_time() - named["started"]) < 1 and process.status() != "zombie":
            return process
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return None  # never there, not written to its end, or gone
    return None
