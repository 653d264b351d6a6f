"""Chunks: up to 10,000 points of a series, compressed by columns, with one bucket as summary.

Steps that are whole numbers and times are stored as differences, and of each column all first bytes
stand before all second ones: so a regular column costs next to nothing, and a noisy value 7 bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from zstandard import ZstdCompressor, ZstdDecompressor

from nsml_protos import session_pb2 as pb
from nsml_session.columns import Columns, Floats, Integers, by_step

FULL = 10_000
_WHOLE, _ANY = b"\1", b"\2"
_EXACT = 2.0**53
"""Up to here, each whole number is a float of its own."""


def encode(points: Columns) -> bytes:
    """Return points as they are stored; every bit of them comes back."""
    is_whole = _are_whole(points.steps)
    steps = points.steps.astype(np.int64) if is_whole else points.steps.view(np.int64)
    columns = [_differences(steps), _differences(points.times_us), points.values.view(np.int64)]
    compressor = ZstdCompressor(level=1)  # one may not serve two threads
    packed = compressor.compress(b"".join(_shuffled(column) for column in columns))
    return (_WHOLE if is_whole else _ANY) + packed


def decode(data: bytes, count: int) -> Columns:
    """Return the points that were stored."""
    plain = np.frombuffer(ZstdDecompressor().decompress(data[1:]), np.uint8)
    deltas, times, values = (
        np.ascontiguousarray(part.reshape(8, count).T).view(np.int64).reshape(count)
        for part in np.split(plain, 3)
    )
    steps = np.cumsum(deltas, dtype=np.int64)
    return Columns(
        steps.astype(np.float64) if data[:1] == _WHOLE else steps.view(np.float64),
        np.cumsum(times, dtype=np.int64),
        values.view(np.float64),
    )


def _are_whole(steps: Floats) -> bool:
    with np.errstate(invalid="ignore"):
        whole = (np.abs(steps) < _EXACT) & (np.floor(steps) == steps) & ~np.signbit(steps)
    return bool(whole.all())


def _differences(column: Integers) -> Integers:
    return np.diff(column, prepend=np.int64(0))


def _shuffled(column: Integers) -> bytes:
    return np.ascontiguousarray(column).view(np.uint8).reshape(-1, 8).T.tobytes()


@dataclass(frozen=True, slots=True)
class Bucket:
    """What a chunk says of its points without being read: those by step, first to last."""

    count: int
    first_step: float
    step: float
    time_us: int
    first: float
    value: float
    low: float
    high: float


def summary(points: Columns) -> Bucket:
    """Return the one bucket of some points."""
    one = by_step(points)
    return Bucket(
        len(one),
        float(one.steps[0]),
        float(one.steps[-1]),
        int(one.times_us[-1]),
        float(one.values[0]),
        float(one.values[-1]),
        float(np.fmin.reduce(one.values)),
        float(np.fmax.reduce(one.values)),
    )


def merged(name: str, buckets: Sequence[Bucket]) -> pb.Series:
    """Return a series as one bucket, from those of its pieces in the order of their telling."""
    first = min(buckets, key=lambda each: each.first_step)
    last = buckets[max(range(len(buckets)), key=lambda at: (buckets[at].step, at))]
    return pb.Series(
        name=name,
        steps=[last.step],
        times_us=[last.time_us],
        values=[last.value],
        mins=[float(np.fmin.reduce([each.low for each in buckets]))],
        maxs=[float(np.fmax.reduce([each.high for each in buckets]))],
        firsts=[first.first],
        first_steps=[first.first_step],
        counts=[sum(each.count for each in buckets)],
    )
