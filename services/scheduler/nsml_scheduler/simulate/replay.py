"""A trace replayed: jobs come, the planner plans, jobs end; nothing else decides anything."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from nsml_scheduler.policy.fleet import Fleet
from nsml_scheduler.policy.model import Held, Host, Job
from nsml_scheduler.policy.order import kind
from nsml_scheduler.policy.plan import Plan, Start, Stop, View, plan
from nsml_scheduler.policy.usage import Usage
from nsml_scheduler.simulate.policies import Policy

_LOOK_SECONDS = 60.0
"""While somebody waits the planner looks at least this often, as the scheduler does."""


@dataclass(frozen=True)
class Task:
    """A job of a trace, and how long it needs its GPUs: the planner is not told."""

    job: Job
    seconds: float


@dataclass
class Run:
    """A stretch of time in which a job had its GPUs."""

    job: str
    start: float
    stop: float
    gpus: float


@dataclass
class Outcome:
    """What came of a trace under a policy."""

    runs: list[Run] = field(default_factory=list)
    ended: dict[str, float] = field(default_factory=dict)
    stops: int = 0
    plans: int = 0


class Replay:
    """One trace on one fleet under one policy."""

    def __init__(
        self,
        tasks: Sequence[Task],
        hosts: Sequence[Host],
        policy: Policy,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._seconds = {task.job.id: task.seconds for task in tasks}
        self._coming = [task.job for task in sorted(tasks, key=lambda task: task.job.submitted)]
        self._policy = policy
        self._fleet = Fleet(hosts)
        self._held: dict[str, Held] = {}
        self._waiting: dict[str, Job] = {}
        self._ends: list[tuple[float, str]] = []
        self._usage = Usage(policy.rules.half_life_seconds)
        self._progress = progress
        self._look = inf
        self._open: dict[str, Run] = {}
        self.outcome = Outcome()

    def run(self) -> Outcome:
        """Replay to the end of the last job."""
        self._coming.reverse()
        while self._coming or self._held or self._waiting:
            now = self._next()
            if now == inf:
                break  # what waits now fits on no host
            self._happen(now)
        return self.outcome

    def _next(self) -> float:
        while self._ends and not self._is_due(*self._ends[0]):
            heapq.heappop(self._ends)
        return min(
            self._coming[-1].submitted if self._coming else inf,
            self._ends[0][0] if self._ends else inf,
            self._look,
        )

    def _is_due(self, end: float, name: str) -> bool:
        held = self._held.get(name)
        return held is not None and self._end_of(held) == end

    def _happen(self, now: float) -> None:
        while self._coming and self._coming[-1].submitted <= now:
            job = self._coming.pop()
            self._waiting[job.id] = job
        while self._ends and self._ends[0][0] <= now:
            end, name = heapq.heappop(self._ends)
            if self._is_due(end, name):
                self._end(name, now)
        if self._waiting:
            self._plan(now)
        self._look = now + _LOOK_SECONDS if self._waiting and self._held else inf

    def _plan(self, now: float) -> None:
        while True:
            found = self._planned(now)
            for start in found.starts:
                self._start(start, now)
            for stop in found.stops:
                self._stop(stop, now)
            if not found.stops:
                return

    def _planned(self, now: float) -> Plan:
        self.outcome.plans += 1
        view = View(
            self._fleet,
            self._held.values(),
            self._waiting.values(),
            self._usage.at(now),
            self._policy.lengths,
        )
        return plan(view, self._policy.rules, now, explain=False)

    def _start(self, start: Start, now: float) -> None:
        job = self._waiting.pop(start.job.id)
        job = replace(job, waited_seconds=job.waited_seconds + now - job.waiting_since)
        self._fleet.occupy(start.parts)
        self._usage.change(job.tenant, job.gpu_share, now)
        resume = self._policy.rules.resume_seconds if job.attained_seconds else 0.0
        held = Held(job, start.parts, now + resume)
        self._held[job.id] = held
        self._open[job.id] = Run(job.id, now, inf, job.gpu_share)
        self.outcome.runs.append(self._open[job.id])
        heapq.heappush(self._ends, (self._end_of(held), job.id))

    def _end_of(self, held: Held) -> float:
        return held.since + self._seconds[held.job.id] - held.job.attained_seconds

    def _stop(self, stop: Stop, now: float) -> None:
        held = self._leave(stop.job.id, now)
        ran = held.attained(now)
        self.outcome.stops += 1
        self._waiting[held.job.id] = replace(
            held.job,
            waiting_since=now,
            attained_seconds=ran,
            stops=held.job.stops + 1,
        )

    def _end(self, name: str, now: float) -> None:
        held = self._leave(name, now)
        self._policy.lengths.ended(kind(held.job), self._seconds[name])
        self.outcome.ended[name] = now
        self._progress(len(self.outcome.ended))

    def _leave(self, name: str, now: float) -> Held:
        held = self._held.pop(name)
        self._fleet.release(held.parts)
        self._usage.change(held.job.tenant, -held.job.gpu_share, now)
        self._open[name].stop = now
        return held
