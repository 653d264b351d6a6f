"""The order of the queue: who is looked at first, and whom they may stop."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import log2

from nsml_scheduler.policy.lengths import Lengths, level
from nsml_scheduler.policy.model import Held, Job, Rules

Key = tuple[float, ...]
"""Where a job stands: the less the better."""

_STEP = 0.5
"""The least difference for which one stops another; a level where all GPUs are waited for."""


@dataclass(frozen=True)
class Standing:
    """What the order depends on beside the jobs themselves."""

    rules: Rules
    time: float
    size: float = 0.0
    """How many GPUs there are; 1 where there are none."""

    use: Mapping[str, float] = field(default_factory=dict)
    """How much of that each tenant uses, its past counted less the longer ago it is."""

    running: Mapping[str, float] = field(default_factory=dict)
    """How many GPUs each tenant has now."""

    lengths: Lengths = field(default_factory=Lengths)
    wanting: frozenset[str] = frozenset()
    """The tenants that wait or run: those that divide the GPUs among them."""

    wanted: float = 0.0
    """How many GPUs those who wait need together."""

    @property
    def step(self) -> float:
        """Return the levels that one has to stand before another, of whom both may, to stop it.

        It follows the backlog: with room soon the stopped one goes on soon; else it would be next
        to stop somebody, and all would take turns.
        """
        return min(max(self.wanted / self.size, _STEP), 1.0) if self.size else 1.0

    def key(self, job: Job) -> Key:
        """Return where one that waits stands: the least is first."""
        return (
            -job.priority,
            self.borrows(job),
            self.rank(job, job.attained_seconds, self.waited(job)),
            job.submitted,
        )

    def waited(self, job: Job) -> float:
        return job.waited_seconds + max(self.time - job.waiting_since, 0.0)  # clocks are set back

    def has_borrowed(self, job: Job) -> bool:
        """Return whether its tenant is beyond its quota, and it may be what is too much."""
        quota = self.rules.quotas.get(job.tenant)
        return quota is not None and self.running.get(job.tenant, 0) > quota

    def borrows(self, job: Job) -> bool:
        """Return whether it would take its tenant beyond its quota."""
        quota = self.rules.quotas.get(job.tenant)
        return quota is not None and self.running.get(job.tenant, 0) + job.gpu_share > quota

    def rank(self, job: Job, attained: float, waited: float = 0.0) -> float:
        """Return how far back a job is by what it had, and by what its tenant had."""
        rules = self.rules
        if rules.order == "arrival":
            return 0.0
        size = max(job.gpu_share, 1.0) ** rules.size_power
        if rules.order == "levels":
            rank = float(level(attained * size, rules.level_seconds))
        else:
            rank = log2(self.lengths.index(kind(job), attained) * size)
        if waited and rules.patience:
            enough = rules.patience * max(attained, rules.level_seconds)
            rank -= log2(1 + waited / enough)
        return rank + self.excess(job.tenant)

    def excess(self, tenant: str) -> float:
        """Return the levels that a tenant loses by using more than its share."""
        return self._excess.get(tenant, 0.0)

    @cached_property
    def _excess(self) -> Mapping[str, float]:
        if not self.rules.share_levels:
            return {}
        weights = {tenant: self.rules.weights.get(tenant, 1.0) for tenant in self.wanting}
        unit = self.size / sum(weights.values()) if weights else 0.0
        over = {
            tenant: self.use.get(tenant, 0.0) / (unit * weight)
            for tenant, weight in weights.items()
            if unit * weight
        }
        levels = self.rules.share_levels
        return {tenant: levels * log2(times) for tenant, times in over.items() if times > 1}


def kind(job: Job) -> tuple[object, ...]:
    """Return what jobs of a kind have in common: their size, and whose they are."""
    return (job.gpu_share, job.tenant)


def in_order(waiting: Iterable[Job], standing: Standing) -> list[tuple[Key, Job]]:
    """Return those who wait with where they stand, the first first."""
    pairs = [(standing.key(job), job) for job in waiting]
    pairs.sort(key=lambda pair: (pair[0], pair[1].id))
    return pairs


def back_to_front(held: Iterable[Held], standing: Standing) -> list[tuple[Key, Held]]:
    """Return those who run with where they stand, first who may be stopped for the most others."""
    pairs = [(_standing_of(each, standing), each) for each in held if not each.stopping]
    pairs.sort(key=lambda pair: (pair[0], pair[1].since), reverse=True)
    return pairs


def _standing_of(held: Held, standing: Standing) -> Key:
    job, rules = held.job, standing.rules
    yields = (
        job.preemptible
        and job.stops < rules.stops_max
        and standing.time - held.since >= rules.minimum_run_seconds
    )
    rank = standing.rank(job, held.attained(standing.time), job.waited_seconds) if yields else 0.0
    return (-job.priority, standing.has_borrowed(job), yields, rank)
