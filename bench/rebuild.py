"""How long all views of a million events take to be folded anew, compared, and put in place."""

import time
from pathlib import Path

from bench import million
from bench.figures import Figure, Goal, Row, median
from bench.home import Platform
from nsml_local import parts

_TIMES = 2
_FOLLOWERS = ("session", "ledger", "scheduler")


def measure() -> Row:
    platform = million.platform()
    together, verdicts = zip(*(_rebuild(platform) for _ in range(_TIMES)), strict=True)
    alone = {name: _rebuild(platform, name)[0] for name in _FOLLOWERS}
    peak = max(_peak(part.pid) for part in parts.status(platform.home) if part.pid)
    took, same = median(together), [word for words in verdicts for word in words]
    return Row(
        [
            Figure("views of 10⁶ events rebuilt, all services", took, "s", Goal("≤", 30)),
            Figure("events for each of these seconds", million.EVENTS / took, "events/s"),
            Figure("tables the same, by hash", same.count("yes"), "", Goal("=", len(same))),
            *(Figure(f"the {name}'s view alone", alone[name], "s") for name in alone),
            Figure("most memory that any part ever held", peak, "MB", Goal("≤", 2000)),
        ],
        {"together": together, **{name: [seconds] for name, seconds in alone.items()}},
    )


def _rebuild(platform: Platform, *services: str) -> tuple[float, list[str]]:
    """Rebuild views and put them in place; return how long it took, and of each table if it is so.

    The time is that of the whole command.
    """
    start = time.perf_counter()
    shown = platform.nsml("admin", "views", "rebuild", *services)
    took = time.perf_counter() - start
    return took, [line.split()[-1] for line in shown.splitlines()[1:] if line.strip()]


def _peak(process: int) -> float:
    """Return the most memory that a process ever held, in MB."""
    status = Path(f"/proc/{process}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1e3
