"""The runners that a forkserver has started, and what the dead among them have left behind."""

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from nsml_runner import marks
from nsml_runner.processes import adopt_orphans, descendants
from nsml_runner.ticket import Ticket


@dataclass(frozen=True, slots=True)
class Child:
    """A runner."""

    session: str
    attempt: int
    pid: int
    started: float
    """Seconds since 1970, as psutil tells it: a process number may be used again."""

    def told(self) -> dict[str, Any]:
        return {"pid": self.pid, "started": self.started}


class Brood:
    """A runner counts as there until nothing of it runs: only then are its devices free."""

    def __init__(self) -> None:
        self._runners: dict[int, Child] = {}
        self._sweepers: dict[int, Child] = {}
        self._dead: list[Child] = []
        self._folders: dict[Child, Path] = {}
        adopt_orphans()

    @property
    def empty(self) -> bool:
        return not (self._runners or self._sweepers or self._dead)

    def add(self, pid: int, ticket: Ticket) -> Child:
        child = Child(ticket.session, ticket.attempt, pid, psutil.Process(pid).create_time())
        self._runners[pid] = child
        self._folders[child] = ticket.work
        return child

    def adopt(self, work: Path) -> None:
        """Take in the attempts whose runners, of an earlier forkserver, left containers behind."""
        for session, attempt in marks.deserted(work):
            if self.find(session, attempt) is None:
                child = Child(session, attempt, 0, 0.0)
                self._folders[child] = work / session / str(attempt)
                self._sweep(child)

    def all(self) -> list[Child]:
        return [*self._runners.values(), *self._sweepers.values(), *self._dead]

    def find(self, session: str, attempt: int) -> Child | None:
        wanted = (session, attempt)
        return next(
            (child for child in self.all() if (child.session, child.attempt) == wanted), None
        )

    def told(self) -> list[dict[str, Any]]:
        return [asdict(child) for child in self.all()]

    def dismiss(self) -> None:
        for pid in self._runners:
            os.kill(pid, signal.SIGTERM)

    def bury(self) -> None:
        """Take leave of those that have ended, and end what they have left behind."""
        with contextlib.suppress(ChildProcessError):
            while pid := os.waitpid(-1, os.WNOHANG)[0]:
                child = self._runners.pop(pid, None) or self._sweepers.pop(pid, None)
                if child is not None:
                    self._leave(child)
        if not self._kill_orphans():
            self._dead.clear()

    def _leave(self, child: Child) -> None:
        if marks.is_marked(self._folders[child]):
            self._sweep(child)
        else:
            del self._folders[child]
            self._dead.append(child)

    def _sweep(self, child: Child) -> None:
        """Have another process ask for the containers: this one may not wait."""
        argv = [sys.executable, "-m", "nsml_runner.sweep", str(self._folders[child])]
        sweeper = subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True)
        sweeper.returncode = 0  # it is awaited here, with all the others
        self._sweepers[sweeper.pid] = child

    def _kill_orphans(self) -> bool:
        """Kill children that are no runners: they were adopted when their own runner died."""
        orphans = list(
            descendants(os.getpid(), besides=frozenset((*self._runners, *self._sweepers)))
        )
        for pid in orphans:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(orphans)
