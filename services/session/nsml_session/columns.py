"""The points of a series as columns, and what a query makes of them: order, a range, buckets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nsml_protos import session_pb2 as pb

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


_STEPS, _TIMES, _VALUES = (
    pb.Series.DESCRIPTOR.fields_by_name[name].number for name in ("steps", "times_us", "values")
)
_MORE = 0x80
_TIME_MIN, _TIME_MAX = 1 << 49, 1 << 56
"""Microseconds from 1987 to 4253."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Points in the order in which they were reported, or by step."""

    steps: Floats
    times_us: Integers
    values: Floats

    def __len__(self) -> int:
        return len(self.steps)

    def at(self, places: Any) -> "Columns":
        """Return the points at some places."""
        return Columns(self.steps[places], self.times_us[places], self.values[places])

    @classmethod
    def join(cls, pieces: Sequence[Self]) -> "Columns":
        """Return pieces as one, in their order."""
        if len(pieces) == 1:
            return pieces[0]
        return Columns(
            np.concatenate([piece.steps for piece in pieces]),
            np.concatenate([piece.times_us for piece in pieces]),
            np.concatenate([piece.values for piece in pieces]),
        )


def gather(told: Sequence[pb.Points]) -> dict[str, Columns]:
    """Return what some frames, in their order, tell of each series."""
    numbers: dict[str, int] = {}
    indexes = []
    for points in told:
        known = [numbers.setdefault(name, len(numbers)) for name in points.series]
        indexes.append(np.array(known, np.int64)[np.array(list(points.series_index), np.int64)])
    index = np.concatenate(indexes)
    order = np.argsort(index, kind="stable")
    ends = np.searchsorted(index[order], np.arange(len(numbers) + 1))
    whole = Columns.join([_columns(points) for points in told]).at(order)
    return {
        name: whole.at(slice(ends[number], ends[number + 1]))
        for name, number in numbers.items()
        if ends[number + 1] > ends[number]
    }


def _columns(points: pb.Points) -> Columns:
    return Columns(
        np.array(list(points.steps), np.float64),
        np.array(list(points.times_us), np.int64),
        np.array(list(points.values), np.float64),
    )


def line(told: Mapping[int, Sequence[Columns]]) -> Columns:
    """Return a series by step, from what each of its attempts told.

    A later attempt takes over from the lowest step that it reported. Points of the same step stay
    in the order in which they were reported.
    """
    kept: list[Columns] = []
    taken_over = np.inf
    for attempt in sorted(told, reverse=True):
        mine = Columns.join(told[attempt])
        lowest = np.fmin.reduce(mine.steps)
        if taken_over < np.inf:
            mine = mine.at(~(mine.steps >= taken_over))  # a step that is NaN is never taken over
        kept.insert(0, mine)
        taken_over = min(taken_over, lowest) if lowest == lowest else taken_over  # noqa: PLR0124 - NaN
    return by_step(Columns.join(kept))


def by_step(points: Columns) -> Columns:
    """Return points in the order of their steps; what has none comes last."""
    if bool(np.all(points.steps[1:] >= points.steps[:-1])):
        return points
    return points.at(np.argsort(points.steps, kind="stable"))


def within(points: Columns, first: float, last: float) -> Columns:
    """Return the points from one step to another, both included; sorted they are already."""
    start = int(np.searchsorted(points.steps, first, "left"))
    end = int(np.searchsorted(points.steps, last, "right"))
    return points.at(slice(start, end))


def to_series(name: str, points: Columns, buckets: int = 0) -> pb.Series:
    """Return points that are sorted by step as they are told to a client."""
    if not buckets:
        return _series(name, points)
    starts = _starts(points.steps, buckets)
    ends = np.append(starts[1:], len(points))
    series = _series(name, points.at(ends - 1))
    series.mins.extend(np.fmin.reduceat(points.values, starts).tolist())
    series.maxs.extend(np.fmax.reduceat(points.values, starts).tolist())
    series.firsts.extend(points.values[starts].tolist())
    series.first_steps.extend(points.steps[starts].tolist())
    series.counts.extend((ends - starts).tolist())
    return series


def _series(name: str, points: Columns) -> pb.Series:
    """Return columns as a message, made from their bytes: an object for each number takes long."""
    series = pb.Series(name=name)
    series.MergeFromString(_packed(_STEPS, points.steps) + _packed(_VALUES, points.values))
    times = points.times_us
    if len(times) and times.min() >= _TIME_MIN and times.max() < _TIME_MAX:
        series.MergeFromString(_field(_TIMES, _eight_bytes_each(times)))
    else:
        series.times_us.extend(times.tolist())
    return series


def _packed(field: int, column: Floats) -> bytes:
    return _field(field, column.astype("<f8", copy=False).tobytes())


def _field(field: int, content: bytes) -> bytes:
    """Return a field of protobuf that has a length."""
    length = bytearray()
    rest = len(content)
    while rest >= _MORE:
        length.append(rest & (_MORE - 1) | _MORE)
        rest >>= 7
    length.append(rest)
    return bytes([field << 3 | 2]) + bytes(length) + content


def _eight_bytes_each(times: Integers) -> bytes:
    """Return times of our age as protobuf's varints: seven bits a byte, eight bytes each."""
    parts = times[:, None] >> np.arange(0, 56, 7) & (_MORE - 1)
    parts[:, :7] |= _MORE
    return parts.astype(np.uint8).tobytes()


def _starts(steps: Floats, buckets: int) -> Integers:
    """Return where each bucket begins: they are equally wide in steps, and none is empty."""
    count = len(steps)
    if count <= buckets:
        return np.arange(count)
    finite = steps[np.isfinite(steps)]
    with np.errstate(all="ignore"):
        width = finite[-1] - finite[0] if len(finite) else np.nan
        if not 0 < width < np.inf:
            return np.unique(np.arange(buckets) * count // buckets)
        place = np.floor((steps - finite[0]) * (buckets / width))
        bucket = np.nan_to_num(place, nan=buckets).clip(0, buckets - 1)
    return np.append(0, np.flatnonzero(np.diff(bucket)) + 1)
