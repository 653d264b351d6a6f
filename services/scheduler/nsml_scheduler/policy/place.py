"""Where a job goes: every member of it, or none."""

from collections.abc import Callable, Mapping
from itertools import islice, takewhile

from nsml_scheduler.policy.fleet import Fleet
from nsml_scheduler.policy.model import Ask, Job, Part

Choose = Callable[[Fleet, Ask, Mapping[str, int]], Part | None]
"""Chooses the host of one member, where any fits; it is better off where the most is said."""

_LOOKED_AT = 16
"""Among so many hosts with equally many GPUs free the best is looked for, not among thousands."""


def best_fit(fleet: Fleet, ask: Ask, near: Mapping[str, int]) -> Part | None:
    """Choose the host that has the most of what it needs, and that it leaves the least room on.

    So it begins soon, and large jobs find whole hosts.
    """
    there = (fleet.rooms[name] for name in near if name in fleet.rooms)
    able = [room for room in there if fleet.takes(room, ask)]
    if able:
        best = min(able, key=lambda room: (-near[room.host.name], len(room.whole), room.cpus))
        return best.part(ask)
    rooms = fleet.fitting(ask)
    first = next(rooms, None)
    if first is None:
        return None
    free = len(first.whole)
    alike = takewhile(lambda room: len(room.whole) == free, rooms)
    best = min(
        (first, *islice(alike, _LOOKED_AT)),
        key=lambda room: (room.cpus, room.memory_bytes),
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
