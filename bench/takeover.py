"""How soon a second scheduler plans after the first one was killed, or hangs."""

import signal
import time

from bench.figures import Figure, Goal, Row, median
from tests.scaleout import replicas
from tests.scaleout.replicas import Replica

_TIMES = 5
_LOOK_SECONDS = 0.02
_GOAL = Goal("≤", 5)


def measure() -> Row:
    """Take turns: who leads is killed, and who leads then is held up, while the other stands by."""
    killed, hung = [], []
    with replicas.opened() as platform:
        for _ in range(_TIMES):
            killed.append(_fall(platform, signal.SIGKILL))
            platform.all_alive()
            hung.append(_fall(platform, signal.SIGSTOP))
            platform.all_alive()
    return Row(
        [
            Figure(
                "takeover from a scheduler that was killed, the longest", max(killed), "s", _GOAL
            ),
            Figure("the same, median", median(killed), "s"),
            Figure("takeover from a scheduler that hangs, the longest", max(hung), "s", _GOAL),
            Figure("the same, median", median(hung), "s"),
        ],
        {"killed_s": killed, "hung_s": hung},
    )


def _fall(platform: replicas.Platform, number: signal.Signals) -> float:
    """Return how long it takes until the other one serves."""
    leads = platform.leader()
    one, other = (platform.replicas["scheduler"][at] for at in (leads, 1 - leads))
    begin = time.monotonic()
    one.signal(number)
    while not other.says("scheduler"):
        time.sleep(_LOOK_SECONDS)
    taken = time.monotonic() - begin
    _end(one)
    return taken


def _end(one: Replica) -> None:
    """Let who hung find that it leads no more, and leaves."""
    one.signal(signal.SIGCONT)
    if one.process is None:
        raise RuntimeError(one.service)
    one.process.wait()
