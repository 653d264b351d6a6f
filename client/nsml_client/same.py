"""Whether a session did the same as another: what it was given, its end, its models and metrics."""

import math
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest

from nsml_protos.session_pb2 import (
    Attempt,
    Checkpoint,
    MetricsReply,
    Outcome,
    Series,
    Session,
    Status,
)

GPU_TOLERANCE = 1e-5
"""How far metrics of GPUs may be apart unless it is said: their sums have no fixed order."""


@dataclass
class Comparison:
    """What was compared, and the first difference of each kind."""

    tolerance: float
    """How far metrics may be apart, of their size; above 0 models need not be the same either."""

    checkpoints: int = 0
    points: int = 0
    differences: list[str] = field(default_factory=list)
    tolerated: list[str] = field(default_factory=list)

    @property
    def identical(self) -> bool:
        return not self.differences and not self.tolerated

    @property
    def verdict(self) -> str:
        if self.identical:
            return "identical"
        if self.differences:
            return "not identical"
        return f"the same within a tolerance of {self.tolerance:g}"


def compare(
    one: Session,
    other: Session,
    metrics: MetricsReply,
    other_metrics: MetricsReply,
    *,
    tolerance: float | None = None,
) -> Comparison:
    """Compare two sessions that have ended; without a tolerance, by what they ran on."""
    if tolerance is None:
        tolerance = GPU_TOLERANCE if one.spec.resources.gpus else 0.0
    found = Comparison(tolerance)
    found.differences += _given(one, other)
    found.differences += _endings(one, other)
    models = found.tolerated if tolerance else found.differences
    models += _checkpoints(one, other, found)
    _metrics(metrics, other_metrics, found)
    return found


def first_environment(one: Session) -> Attempt:
    """Return the attempt that started first: what it ran in is what is run again."""
    return next((tried for tried in one.attempts if tried.environment), Attempt())


def _given(one: Session, other: Session) -> Iterator[str]:
    """Name what one was given and the other was not: nothing, if the platform keeps its word.

    An attempt of a version that recorded no packages says nothing of them.
    """
    mine, theirs = _facts(one), _facts(other)
    for name, value in mine.items():
        is_unknown = not value and name in {"Python", "Packages"}
        if value != theirs[name] and not is_unknown:
            yield f"{name}: {value or 'none'}, then {theirs[name] or 'none'}"


def _facts(one: Session) -> dict[str, str]:
    spec, ran = one.spec, first_environment(one)
    need = spec.resources
    return {
        "Entry": spec.entry,
        "Args": shlex.join(spec.args),
        "Job": str(spec.job),
        "Image": spec.image,
        "Network": "none" if spec.no_network else "",
        "Code": spec.code_tree,
        "Data": " ".join(f"{each.dataset}@{each.revision}={each.tree}" for each in spec.datasets),
        "Configuration": spec.config,
        "Parameters": spec.params,
        "Variables": " ".join(f"{name}={value}" for name, value in sorted(spec.env.items())),
        "Seed": str(spec.seed),
        "GPUs, CPUs, memory, seconds": (
            f"{need.gpus}, {need.cpus}, {need.memory_bytes}, {need.time_limit_seconds}"
        ),
        "Python": ran.python,
        "Packages": " ".join(ran.packages),
        "Environment": ran.environment,
    }


def _endings(one: Session, other: Session) -> Iterator[str]:
    if (one.status, _code(one.outcome)) != (other.status, _code(other.outcome)):
        yield f"Ending: {_ending(one)}, then {_ending(other)}"


def _code(ended: Outcome) -> tuple[int, int, bool, bool]:
    return ended.exit_code, ended.signal, ended.out_of_memory, ended.time_limit


def _ending(one: Session) -> str:
    said = f" ({one.outcome.message.rstrip('.')})" if one.outcome.message else ""
    return f"{Status.Name(one.status).capitalize()}{said}"


def _checkpoints(one: Session, other: Session, found: Comparison) -> Iterator[str]:
    mine = {point.name: point for point in one.checkpoints}
    theirs = {point.name: point for point in other.checkpoints}
    for name in mine | theirs:
        if name not in mine or name not in theirs:
            where = other.name if name in mine else one.name
            found.differences.append(f"Model {name}: {where} has none")
            continue
        found.checkpoints += 1
        if mine[name].tree != theirs[name].tree:
            yield f"Model {name}: {_content(mine[name])}, then {_content(theirs[name])}"


def _content(point: Checkpoint) -> str:
    return f"{point.tree[:12]} of {point.bytes:,} bytes"


def _metrics(metrics: MetricsReply, others: MetricsReply, found: Comparison) -> None:
    """Note where each series parts first, the one that parts at the earliest step first."""
    mine = {series.name: series for series in metrics.series}
    theirs = {series.name: series for series in others.series}
    parted: list[tuple[float, str, bool]] = []
    for name in mine | theirs:
        series, other = mine.get(name, Series()), theirs.get(name, Series())
        found.points += min(len(series.values), len(other.values))
        if difference := _first_difference(series, other, found.tolerance):
            parted.append((difference[0], f"Metric {name}: {difference[1]}", False))
        elif difference := _first_difference(series, other, 0.0):
            parted.append((difference[0], f"Metric {name}: {difference[1]}", True))
    for _, sentence, is_tolerated in sorted(parted):
        (found.tolerated if is_tolerated else found.differences).append(sentence)


def _first_difference(series: Series, other: Series, tolerance: float) -> tuple[float, str] | None:
    """Return the step where two series part, and how far apart they get; None if they do not."""
    points = list(zip(series.steps, series.values, strict=True))
    others = list(zip(other.steps, other.values, strict=True))
    apart = [
        (mine, theirs)
        for mine, theirs in zip_longest(points, others)
        if mine is None or theirs is None or not _equal(mine, theirs, tolerance)
    ]
    if not apart:
        return None
    mine, theirs = apart[0]
    if mine is None or theirs is None:
        step = (mine or theirs or (0.0,))[0]
        return step, f"{len(points)} points, then {len(others)}"
    largest = max(abs(a[1] - b[1]) for a, b in apart if a is not None and b is not None)
    return mine[0], (
        f"first at step {mine[0]:g}: {mine[1]:.9g}, then {theirs[1]:.9g}; "
        f"at most {largest:.3g} apart"
    )


def _equal(mine: tuple[float, float], theirs: tuple[float, float], tolerance: float) -> bool:
    if not _close(mine[0], theirs[0], 0.0):
        return False
    return _close(mine[1], theirs[1], tolerance)


def _close(mine: float, theirs: float, tolerance: float) -> bool:
    both_nan = math.isnan(mine) and math.isnan(theirs)
    return both_nan or math.isclose(mine, theirs, rel_tol=tolerance)
