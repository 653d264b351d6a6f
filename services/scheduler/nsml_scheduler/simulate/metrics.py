"""What a replay comes to, from its log alone: waits, slowdowns, fairness, stops."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nsml_scheduler.simulate.replay import Outcome, Task

_HOUR = 3600.0
_SHORT = 10.0
"""A slowdown is counted on so many seconds at least."""


@dataclass(frozen=True)
class Metrics:
    """The figures by which policies are compared."""

    jobs: int
    wait_mean: float
    wait_p99: float
    slowdown: float
    jain: float
    worst: float
    stops_per_job: float
    allocated: float


def measure(
    tasks: Sequence[Task], outcome: Outcome, gpus: float, weights: Mapping[str, float]
) -> Metrics:
    ended = outcome.ended
    done = [task for task in tasks if task.job.id in ended]
    waits = sorted(ended[task.job.id] - task.job.submitted - task.seconds for task in done)
    slow = [
        max((ended[task.job.id] - task.job.submitted) / max(task.seconds, _SHORT), 1.0)
        for task in done
    ]
    shares = fairness(done, outcome, gpus, weights)
    squares = sum(share * share for share in shares.values())
    begin = min(task.job.submitted for task in done)
    span = max(task.job.submitted for task in done) - begin
    used = sum(run.gpus * max(min(run.stop, begin + span) - run.start, 0.0) for run in outcome.runs)
    return Metrics(
        len(done),
        sum(waits) / len(waits),
        waits[int(len(waits) * 0.99)],
        sum(slow) / len(slow),
        sum(shares.values()) ** 2 / len(shares) / squares if squares else 1.0,
        min(shares.values(), default=1.0),
        outcome.stops / len(done),
        used / (gpus * span) if span else 0.0,
    )


def fairness(
    tasks: Sequence[Task], outcome: Outcome, gpus: float, weights: Mapping[str, float]
) -> dict[str, float]:
    """Return each tenant's GPU time received when due, of what was due to it, hour by hour."""
    tenant_of = {task.job.id: task.job.tenant for task in tasks}
    received: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    wanted: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for run in outcome.runs:
        if run.job in tenant_of:
            _add(received[tenant_of[run.job]], run.start, run.stop, run.gpus)
    for task in tasks:
        end = outcome.ended[task.job.id]
        _add(wanted[task.job.tenant], task.job.submitted, end, task.job.gpu_share)
    due: dict[str, float] = defaultdict(float)
    got: dict[str, float] = defaultdict(float)
    for hour in sorted({hour for hours in wanted.values() for hour in hours}):
        asked = {tenant: hours[hour] for tenant, hours in wanted.items() if hours.get(hour)}
        for tenant, entitled in entitlements(asked, gpus * _HOUR, weights).items():
            due[tenant] += entitled
            got[tenant] += min(received[tenant].get(hour, 0.0), entitled)
    return {tenant: got[tenant] / due[tenant] for tenant in due if due[tenant]}


def _add(hours: dict[int, float], start: float, stop: float, gpus: float) -> None:
    hour = int(start / _HOUR)
    while start < stop:
        end = min(stop, (hour + 1) * _HOUR)
        hours[hour] += gpus * (end - start)
        start, hour = end, hour + 1


def entitlements(
    asked: Mapping[str, float], there_is: float, weights: Mapping[str, float]
) -> dict[str, float]:
    """Divide by weight; what one does not ask for is divided among the others."""
    left = dict(asked)
    entitled: dict[str, float] = {}
    while left and there_is > 0:
        total = sum(weights.get(tenant, 1.0) for tenant in left)
        share = {tenant: there_is * weights.get(tenant, 1.0) / total for tenant in left}
        content = [tenant for tenant in left if left[tenant] <= share[tenant]]
        if not content:
            return entitled | share
        for tenant in content:
            entitled[tenant] = left.pop(tenant)
            there_is -= entitled[tenant]
    return entitled
