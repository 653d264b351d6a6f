"""When those who wait are expected to start: nobody knows, but people plan their evening by it."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from itertools import count

from nsml_scheduler.policy.fleet import Fleet
from nsml_scheduler.policy.lengths import Lengths
from nsml_scheduler.policy.model import Held, Job, Part
from nsml_scheduler.policy.order import kind
from nsml_scheduler.policy.place import Choose, place

_ESTIMATED = 100
"""For those far behind in a long queue an estimate would be no more than a guess."""


def starts(
    fleet: Fleet,
    held: Iterable[Held],
    waiting: Sequence[Job],
    lengths: Lengths,
    now: float,
    choose: Choose,
) -> Mapping[str, float]:
    """Let those who run end when they are expected to, and those who wait start in their order.

    One ends at its time limit, or sooner: when jobs of its kind that ran as long do.
    """
    numbers = count()
    ends = [(_end(each, lengths, now), next(numbers), list(each.parts)) for each in held]
    heapq.heapify(ends)
    taken = dict[int, list[Part]]()
    freed: list[Part] = []
    found: dict[str, float] = {}
    for job in waiting[:_ESTIMATED]:
        time = max(found.values(), default=now)
        while (parts := place(fleet, job, choose)) is None and ends:
            time, number, gone = heapq.heappop(ends)
            fleet.release(gone)
            if number in taken:
                del taken[number]
            else:
                freed += gone
        if parts is None:
            break
        number = next(numbers)
        found[job.id] = time = max(time, now)
        taken[number] = fleet.occupy(parts)
        ends_at = _end(Held(job, parts, time), lengths, time)
        heapq.heappush(ends, (ends_at, number, taken[number]))
    for parts_taken in taken.values():
        fleet.release(parts_taken)
    fleet.occupy(freed)
    return found


def _end(held: Held, lengths: Lengths, now: float) -> float:
    expected = now + lengths.index(kind(held.job), held.attained(now))
    return min(held.ends, expected)
