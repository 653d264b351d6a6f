"""A training loop that reports, as a session runs it; it prints as JSON what reporting cost it."""

import json
import time
from typing import Any

ONES = 20_000
TENS = 10_000
_STEPS = 200
_ROUNDS = 15
SEEN = 20
END = "that is all"
_LINE_VALUES = 2_000
_STAY_SECONDS = 600  # what waits behind it in the queue is to stay there
_SETTLE_SECONDS = 1.0
_STEP_SECONDS = 0.001


def main() -> None:
    import nsml  # noqa: PLC0415 - whoever measures takes this module's text and numbers only

    nsml.report(warm=0)
    time.sleep(_SETTLE_SECONDS)
    found: dict[str, Any] = {"one": ones(nsml), "cold": [], "others": []}
    time.sleep(_SETTLE_SECONDS)
    found["ten"], began = tens(nsml)
    found["began"] = [began]
    time.sleep(_SETTLE_SECONDS)
    work = calibrated()
    for _ in range(_ROUNDS):
        found["others"].append(steps(work, nsml, found["cold"]))
    for at in range(SEEN):
        time.sleep(0.31)
        nsml.report(step=at, now=time.time())
    for name, values in found.items():
        for first in range(0, len(values), _LINE_VALUES):
            print(json.dumps([name, values[first : first + _LINE_VALUES]]), flush=True)
    print(END, flush=True)
    if nsml.IS_ON_NSML:
        time.sleep(_STAY_SECONDS)


def ones(nsml: Any) -> list[int]:
    report, clock, taken = nsml.report, time.perf_counter_ns, []
    for step in range(ONES):
        start = clock()
        report(step=step, loss=0.5)
        taken.append(clock() - start)
    return taken


def tens(nsml: Any) -> tuple[list[int], float]:
    """Ten series at once; and when the first of them was reported."""
    report, clock, taken = nsml.report, time.perf_counter_ns, []
    value, began = 0.5, time.time()
    for step in range(TENS):
        start = clock()
        report(
            step=step, b0=value, b1=value, b2=value, b3=value, b4=value, b5=value, b6=value,
            b7=value, b8=value, b9=value,
        )  # fmt: skip
        taken.append(clock() - start)
        value *= 1.0001
    return taken, began


def calibrated() -> int:
    """Return how much work takes a millisecond here."""
    amount = 1_000
    while True:
        start = time.perf_counter()
        sum(range(amount))
        taken = time.perf_counter() - start
        if taken >= _STEP_SECONDS / 2:
            return int(amount * _STEP_SECONDS / taken)
        amount *= 2


def steps(work: int, nsml: Any, taken: list[int]) -> float:
    """Do steps of so much work with a report each; return what other threads spent on one."""
    clock = time.perf_counter_ns
    others = time.process_time_ns() - time.thread_time_ns()
    for _ in range(_STEPS):
        sum(range(work))
        start = clock()
        nsml.report(step=start, training=0.5)
        taken.append(clock() - start)
    return (time.process_time_ns() - time.thread_time_ns() - others) / _STEPS


if __name__ == "__main__":
    main()
