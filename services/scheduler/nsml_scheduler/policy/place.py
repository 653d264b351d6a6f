"""Where a job goes: every member of it, or none."""

from collections.abc import Callable
from itertools import islice, takewhile

from nsml_scheduler.policy.fleet import Fleet
from nsml_scheduler.policy.model import Ask, Job, Part

Choose = Callable[[Fleet, Ask, frozenset[str]], Part | None]
"""Chooses the host of one member, where any fits; it is better off on those that are named."""

_LOOKED_AT = 16
"""Among so many hosts with equally many GPUs free the best is looked for, not among thousands."""


def best_fit(fleet: Fleet, ask: Ask, near: frozenset[str]) -> Part | None:
    """Choose the host that it leaves the least room on, so that large jobs find whole hosts."""
    rooms = fleet.fitting(ask)
    first = next(rooms, None)
    if first is None:
        return None
    free = len(first.whole)
    alike = takewhile(lambda room: len(room.whole) == free, rooms)
    best = min(
        (first, *islice(alike, _LOOKED_AT)),
        key=lambda room: (room.host.name not in near, room.cpus, room.memory_bytes),
    )
    return best.part(ask)


def place(fleet: Fleet, job: Job, choose: Choose = best_fit) -> tuple[Part, ...] | None:
    """Return room for all members of a gang, each on a host of its own; or nothing."""
    parts: list[Part] = []
    *others, last = job.asks
    try:
        for ask in others:
            part = choose(fleet, ask, job.near)
            if part is None:
                return None
            parts += fleet.occupy([part])
            fleet.taken.add(part.host)
        part = choose(fleet, last, job.near)
    finally:
        fleet.release(parts)
        fleet.taken.clear()
    return (*parts, part) if part else None
