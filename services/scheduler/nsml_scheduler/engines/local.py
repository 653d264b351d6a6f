"""The local engine.

Runners are children of a warm process on this host, which outlives the scheduler.
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
from nsml_scheduler.engines.engine import Ticket

_START_TRIES = 200
_ANSWER_SECONDS = 5.0
_SERVICES_ONLY = (
    *("NSML_NATS_URL", "NSML_NATS_MONITOR_URL", "NSML_POSTGRES_URL"),
    *("NSML_SMTP_URL", "NSML_WEBHOOK_URL", "NSML_WEBHOOK_SECRET"),
)


class LocalEngine:
    """Starts runners through the forkserver, and starts the forkserver where there is none."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._socket = run_dir(settings.home) / "forkserver.sock"
        self._log = settings.home / "logs" / "runners.log"
        # Without the folder, as in a home restored from a backup, nobody knows what ran here.
        self._remembers = settings.work.exists()
        self._lock = asyncio.Lock()
        self._forkserver: asyncio.subprocess.Process | None = None

    async def start(self, ticket: Ticket) -> None:
        """Start the runner of an attempt; asked again while it runs, nothing happens."""
        request = {
            "session": ticket.session,
            "attempt": ticket.attempt,
            "token": ticket.token,
            "work": str(self._work(ticket.session, ticket.attempt)),
            "env": {"NSML_REQUEST_ID": ticket.request_id, "TRACEPARENT": ticket.traceparent},
        }
        answer = await self._ask(request)
        if "error" in answer:
            raise Unavailable(f"The runner of {ticket.session} did not start: {answer['error']}")

    async def gone(self, attempts: Collection[tuple[str, int]]) -> set[tuple[str, int]]:
        """Return those that the forkserver does not know and that have no process any more."""
        told = await self._ask({"op": "list"})
        known = {(runner["session"], runner["attempt"]) for runner in told["runners"]}
        return {each for each in attempts if each not in known and self._is_over(*each)}

    async def heard(self, nodes: Collection[str]) -> set[str]:
        """Return the nodes, of which there is only this host, if its forkserver answers."""
        try:
            await asyncio.wait_for(self._ask({"op": "list"}), _ANSWER_SECONDS)
        except (Unavailable, TimeoutError):
            return set()
        return set(nodes)

    def was_claimed(self, session: str, attempt: int) -> bool:
        """Return whether a runner of the attempt began, or may have begun where we forgot it.

        One that has left cleared its folder.
        """
        return not self._remembers or (self._work(session, attempt) / "runner.pid").exists()

    def _is_over(self, session: str, attempt: int) -> bool:
        """Look for the processes that the attempt's folder names.

        Kill user code that lost its runner.
        """
        work = self._work(session, attempt)
        if _process(work / "runner.pid"):
            return False
        orphan = _process(work / "user.pid")
        if orphan:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(orphan.pid, signal.SIGKILL)
            return False  # look again when it is gone
        return True

    async def close(self) -> None:
        """Runners and the forkserver go on: the next scheduler finds them."""

    def _work(self, session: str, attempt: int) -> Path:
        return self._settings.work / session / str(attempt)

    async def warm(self) -> None:
        """Have the forkserver ready before the first session needs it."""
        await self._ask({"op": "list"})

    async def _ask(self, request: dict[str, object]) -> dict[str, Any]:
        for _ in range(_START_TRIES):
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._socket))
            except (FileNotFoundError, ConnectionRefusedError):
                async with self._lock:
                    await self._start_forkserver()
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

    async def _start_forkserver(self) -> None:
        """Start one unless ours is on its way.

        Of two that race for the socket one leaves by itself.
        """
        if self._forkserver is not None and self._forkserver.returncode is None:
            return
        env = {key: value for key, value in os.environ.items() if key not in _SERVICES_ONLY}
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._forkserver = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "nsml_runner.forkserver", str(self._socket)),
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
