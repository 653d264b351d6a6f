"""The room that is kept for the first of those that cannot start, and when it will have it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf

from nsml_scheduler.policy.fleet import Fleet, Room, could_hold
from nsml_scheduler.policy.model import Ask, Held, Job, Part
from nsml_scheduler.policy.place import Choose, place


@dataclass(frozen=True)
class Reservation:
    """Room that is kept."""

    parts: tuple[Part, ...]
    starts: float = inf
    """When all of it is free, by the time limits of those who are there; infinite: nobody knows."""

    def leaves_time(self, job: Job, now: float) -> bool:
        """Return whether this job ends before the room is needed."""
        return bool(job.time_limit) and now + job.remaining_limit <= self.starts < inf


def reserve(
    fleet: Fleet, held: Iterable[Held], job: Job, now: float, choose: Choose
) -> Reservation:
    """Return the room that a job has first."""
    ending = sorted((each for each in held if each.ends < inf), key=lambda each: each.ends)
    found = _first_room(fleet, ending, job, now, choose)
    return found or Reservation(nearest(fleet, job))


def _first_room(
    fleet: Fleet, ending: Sequence[Held], job: Job, now: float, choose: Choose
) -> Reservation | None:
    """Search by halves for the fewest ends after which it fits: more ends, more room."""
    low, high, released = 1, len(ending) + 1, 0
    found: Reservation | None = None
    while low < high:
        middle = (low + high) // 2
        for each in ending[released:middle]:
            fleet.release(each.parts)
        for each in ending[middle:released]:
            fleet.occupy(each.parts)
        released = middle
        parts = place(fleet, job, choose)
        if parts is None:
            low = middle + 1
        else:
            found, high = Reservation(parts, max(ending[middle - 1].ends, now)), middle
    for each in ending[:released]:
        fleet.occupy(each.parts)
    return found


def nearest(fleet: Fleet, job: Job) -> tuple[Part, ...]:
    """Return what there is now of what a job needs, where the least is lacking.

    A host that could not hold it even when empty is left to those whom it can hold.
    """
    parts: list[Part] = []
    for ask in job.asks:
        room = _nearest(fleet, ask)
        if room is not None:
            parts.append(room.part(ask))
            fleet.taken.add(room.host.name)
    fleet.taken.clear()
    return tuple(parts)


def _nearest(fleet: Fleet, ask: Ask) -> Room | None:
    able = (
        room
        for room in fleet.rooms.values()
        if not room.host.cordoned
        and room.host.name not in fleet.taken
        and could_hold(room.host, ask)
    )
    return min(able, key=lambda room: room.lacks(ask), default=None)
