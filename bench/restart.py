"""How soon each part serves again after kill -9, with a million events in the log."""

import time

import psutil

from bench import million
from bench.figures import Figure, Goal, Row, median
from nsml_local import home as homes
from nsml_local import parts
from nsml_local.home import Home
from nsml_local.programs import programs
from nsml_local.servers import Program

_TIMES = 2
_SETTLE_SECONDS = 4.0
"""An end sooner after the start is a failed start, and the supervisor waits before another."""

_LOOK_SECONDS = 0.01


def measure() -> Row:
    platform = million.platform()
    at = homes.find(platform.home)
    assert at is not None  # noqa: S101 - it is up
    taken = {
        program.name: [_seconds(at, program) for _ in range(_TIMES)]
        for program in programs(at, platform.settings)
    }
    figures = [
        Figure(f"{name}: kill -9 to serving", median(values), "s", Goal("≤", 5))
        for name, values in taken.items()
    ]
    return Row(figures, taken)


def _seconds(at: Home, program: Program) -> float:
    time.sleep(_SETTLE_SECONDS)
    (number,) = (part.pid for part in parts.status(at.folder) if part.name == program.name)
    process = psutil.Process(number)
    start = time.perf_counter()
    process.kill()
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        time.sleep(_LOOK_SECONDS)
    while not program.is_ready():
        time.sleep(_LOOK_SECONDS)
    return time.perf_counter() - start
