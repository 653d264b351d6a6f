"""A service whose clock jumps: `python -m tests.faults.skewed nsml_session`.

SIGUSR1 puts its clock five minutes ahead, SIGUSR2 five minutes behind. The clock is the one that
Python code reads; what measures durations is not moved, as it is not by whoever sets a clock.
"""

import datetime as dt
import runpy
import signal
import sys
import time
from types import FrameType
from typing import Self

_MOVES = {signal.SIGUSR1: 300.0, signal.SIGUSR2: -300.0}
_true_time = time.time
_off = 0.0


class Moved(dt.datetime):
    """Reads the moved clock."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Self:
        return cls.fromtimestamp(_moved_time(), tz)


def _moved_time() -> float:
    return _true_time() + _off


def _move(number: int, _: FrameType | None) -> None:
    global _off  # noqa: PLW0603 - a process has one clock
    _off = _MOVES[signal.Signals(number)]


if __name__ == "__main__":
    for move in _MOVES:
        signal.signal(move, _move)
    time.time = _moved_time
    dt.datetime = Moved  # type: ignore[misc]
    runpy.run_module(sys.argv[1], run_name="__main__", alter_sys=True)
