"""The plan: order the queue, place who fits, stop whom that takes, keep room, say why others wait.

The order is that of `order.py`. The first that neither fits nor may have others stopped has room
kept for it (`reserve.py`): those behind it start where that does not delay it. So nobody starves,
and free cores do not wait for GPUs.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from nsml_scheduler.policy.estimate import starts
from nsml_scheduler.policy.fleet import Fleet
from nsml_scheduler.policy.lengths import Lengths
from nsml_scheduler.policy.model import Held, Job, Part, Rules
from nsml_scheduler.policy.order import Key, Standing, in_order
from nsml_scheduler.policy.place import Choose, best_fit, place
from nsml_scheduler.policy.preempt import Candidates
from nsml_scheduler.policy.reserve import Reservation, reserve
from nsml_scheduler.policy.words import reason


@dataclass(frozen=True)
class View:
    """All that a plan is made of."""

    fleet: Fleet
    """What is free: what is held has been taken from it."""

    held: Collection[Held]
    waiting: Collection[Job]
    use: Mapping[str, float] = field(default_factory=dict)
    """How much of the fleet's size each tenant uses; its past counts less the longer ago it is."""

    lengths: Lengths = field(default_factory=Lengths)
    """What is known of how long jobs run."""


@dataclass(frozen=True)
class Start:
    """A job starts, here."""

    job: Job
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Stop:
    """A job is stopped at a checkpoint and waits again, so that another may start."""

    job: Job
    makes_room_for: str
    lost_seconds: float


@dataclass(frozen=True)
class Wait:
    """Why a job has no room yet."""

    job: str
    reason: str
    position: int = 0
    """In the queue; the first is 1."""

    estimate: float | None = None
    """When it is expected to start, if anybody can say."""


@dataclass
class Plan:
    """What is to happen now."""

    starts: list[Start] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)


def plan(
    view: View, rules: Rules, now: float, choose: Choose = best_fit, *, explain: bool = True
) -> Plan:
    """Return what is to happen now; the view is left as it was."""
    return _Planning(view, rules, now, choose, explain=explain).plan()


def standing(view: View, rules: Rules, now: float) -> Standing:
    """Return what the order depends on beside the jobs."""
    running: dict[str, float] = defaultdict(float)
    for held in view.held:
        job = held.job
        running[job.tenant] += job.gpu_share
    wanting = running.keys() | {job.tenant for job in view.waiting}
    return Standing(
        rules,
        now,
        view.fleet.size,
        view.use,
        running,
        view.lengths,
        frozenset(wanting),
        sum(job.gpu_share for job in view.waiting),
    )


class _Planning:
    """One plan in the making: what it takes of the fleet is given back at the end."""

    def __init__(
        self, view: View, rules: Rules, now: float, choose: Choose, *, explain: bool
    ) -> None:
        self._view = view
        self._fleet = view.fleet
        self._rules = rules
        self._now = now
        self._choose = choose
        self._explain = explain
        self._result = Plan()
        self._taken: list[Part] = []
        self._left = {held.job.id: list(held.parts) for held in view.held if held.stopping}
        """The room of those that are being stopped."""

        self._leaving = dict(self._left)
        """That room, less what is promised to others."""

        self._promised: list[Part] = []
        self._awaiting: dict[str, float] = {}
        """Those to whom room was promised, and when they are to have it."""

        self._without_room: list[Job] = []
        self._kept: list[Part] = []
        self._standing = standing(view, rules, now)
        self._reservation: Reservation | None = None
        self._failed: set[object] = set()
        """What did not fit: nobody behind it fits who needs the same and has the same rights."""

        self._reasons: dict[object, str] = {}

    def plan(self) -> Plan:
        for key, job in in_order(self._view.waiting, self._standing):
            alike = (job.shape, job.preemptible, self._leaves_time(job))
            if alike in self._failed:
                self._say(job)
            elif not (self._start(job) or self._stop_for(job, key)):
                self._failed.add(alike)
                self._say(job)
                self._keep_room(job)
                if not self._rules.backfill:
                    break
        if self._explain:
            self._estimate()
        self._give_back()
        return self._result

    def _estimate(self) -> None:
        """Say when those who wait are expected to start."""
        self._fleet.release(self._kept)
        self._kept = []
        begun = [Held(start.job, start.parts, self._now) for start in self._result.starts]
        staying = [held for held in self._view.held if held.job.id not in self._left]
        found = starts(
            self._fleet,
            [*staying, *begun],
            [job for job in self._without_room if job.id not in self._awaiting],
            self._view.lengths,
            self._now,
            self._choose,
        )
        self._result.waits = [
            replace(wait, estimate=found.get(wait.job, self._awaiting.get(wait.job)))
            for wait in self._result.waits
        ]

    def _give_back(self) -> None:
        self._fleet.release([*self._kept, *self._taken, *self._promised])
        for name, parts in self._leaving.items():
            self._fleet.release(parts)
            self._fleet.occupy(self._left[name])

    def _start(self, job: Job) -> bool:
        """Start a job if there is room, and if that takes nothing that the first needs."""
        parts = place(self._fleet, job, self._choose)
        if parts is None and self._leaves_time(job):
            self._fleet.release(self._kept)
            parts = place(self._fleet, job, self._choose)
            self._take(parts or ())
            self._kept = self._fleet.occupy(self._kept)
        else:
            self._take(parts or ())
        if parts is None:
            return False
        self._result.starts.append(Start(job, parts))
        return True

    def _leaves_time(self, job: Job) -> bool:
        """Return whether it may have the room that is kept, since it ends before that is needed."""
        return self._reservation is not None and self._reservation.leaves_time(job, self._now)

    def _take(self, parts: Sequence[Part]) -> None:
        self._taken += self._fleet.occupy(parts)

    def _stop_for(self, job: Job, key: Key) -> bool:
        """Promise a job the room of those that stop, or have others stopped if that is enough."""
        if self._promise(job):
            return True
        victims = self._candidates.victims(job, key, self._choose) if self._rules.preempt else []
        for victim in victims:
            self._left[victim.job.id] = self._leaving[victim.job.id] = list(victim.parts)
            self._result.stops.append(Stop(victim.job, job.id, victim.unsaved(self._now)))
        return bool(victims) and self._promise(job)

    def _promise(self, job: Job) -> bool:
        """Keep what is free, and what soon will be, for a job that fits into both together."""
        if not self._leaving:
            return False
        for leaving in self._leaving.values():
            self._fleet.release(leaving)
        parts = place(self._fleet, job, self._choose)
        promised = self._fleet.occupy(parts or ())
        was = self._leaving
        self._leaving = {name: self._fleet.occupy(leaving) for name, leaving in was.items()}
        if parts is None:
            return False
        waits_for = [name for name in was if self._leaving[name] != was[name]]
        self._promised += promised
        self._awaiting[job.id] = self._now
        self._say(job, f"waits for {(waits_for or list(was))[-1]} to stop")
        return True

    @cached_property
    def _candidates(self) -> Candidates:
        return Candidates.of(self._fleet, self._view.held, self._standing)

    def _keep_room(self, job: Job) -> None:
        if self._reservation is None and self._rules.backfill:
            self._reservation = reserve(self._fleet, self._view.held, job, self._now, self._choose)
            self._kept = self._fleet.occupy(self._reservation.parts)

    def _say(self, job: Job, why: str = "") -> None:
        if self._explain:
            self._without_room.append(job)
            position = len(self._result.waits) + 1
            if not why:
                why = self._reasons.get(job.shape) or reason(self._fleet, job)
                self._reasons[job.shape] = why
            self._result.waits.append(Wait(job.id, why, position))
