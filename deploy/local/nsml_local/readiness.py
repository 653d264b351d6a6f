"""Waiting until every program says that it is ready, or until one cannot get there."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from nsml_core.errors import Unavailable
from nsml_local.home import Home
from nsml_local.servers import Program
from nsml_local.supervision import Supervisor

_FAILED_STARTS = 3
_LAST_LINES = 6

Progress = Callable[[str], None]
"""What happens, for the person who waits: one short line each."""


def all_ready(programs: Sequence[Program]) -> bool:
    return all(program.is_ready() for program in programs)


def wait(
    at: Home,
    supervisor: Supervisor,
    programs: Sequence[Program],
    progress: Progress,
    seconds: float,
) -> None:
    """Return when all are ready; say which one is not, and what it last said."""
    missing = list(programs)
    starts: dict[str, set[int]] = defaultdict(set)
    ends: dict[str, int] = {}
    deadline = time.monotonic() + seconds
    while missing:
        for program in [program for program in missing if program.is_ready()]:
            missing.remove(program)
            progress(f"{program.name} is ready")
        # The question also wakes the supervisor, which else looks around once a second.
        for child in supervisor.children():
            starts[child.name] |= {child.started} - {0}
            ends[child.name] = len(starts[child.name]) - (child.state in {"STARTING", "RUNNING"})
        for program in missing:
            if ends.get(program.name, 0) >= _FAILED_STARTS:
                raise Unavailable(_complaint(at, program, "ends as soon as it is started"))
        if missing and time.monotonic() > deadline:
            raise Unavailable(_complaint(at, missing[0], f"is not ready after {seconds:.0f} s"))
        time.sleep(0.02)


def _complaint(at: Home, program: Program, what: str) -> str:
    log = at.log(program.name)
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    said = "\n".join(_own_words(lines) or lines[-_LAST_LINES:])
    return f"{program.name} {what}; mend what its log ({log}) ends with and try again:\n{said}"


def _own_words(lines: Sequence[str]) -> list[str]:
    """Return the sentence that a service ended with, if it is that: each start repeats it."""
    _, fatal, rest = lines[-1].partition(" CRITICAL ") if lines else ("", "", "")
    return [rest.split(" ", 2)[-1]] if fatal else []
