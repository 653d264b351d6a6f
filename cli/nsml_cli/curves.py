"""What `nsml plot` draws: the series of sessions as curves, each bucket with its extremes."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from nsml_cli.sessions import Shape
from nsml_client.client import Client
from nsml_protos import session_pb2

Along = Literal["step", "time", "relative"]
"""What runs along the axis below: steps, the clock, or seconds since a session's first point."""

_MICROSECONDS = 1_000_000


class Bucket(NamedTuple):
    """Some points that follow one another; most often it is one."""

    begin: float
    end: float
    first: float
    last: float
    low: float
    high: float
    points: int


@dataclass(frozen=True)
class Curve:
    """One series of one session."""

    session: str
    series: str
    buckets: Sequence[Bucket]

    def finite(self) -> list[Bucket]:
        return [bucket for bucket in self.buckets if math.isfinite(bucket.low + bucket.high)]

    @property
    def last(self) -> float:
        return self.buckets[-1].last


Segment = tuple[float, float, float, float]
"""From where to where a line goes: x, y, x, y."""


def read(
    client: Client, session: str, patterns: Iterable[str], along: Along, buckets: int
) -> list[Curve]:
    """Return the series of a session, in so many buckets at most; 0: in points."""
    request = session_pb2.MetricsRequest(name=session, series=patterns, buckets=buckets)
    found = client.call("Sessions/Metrics", request, session_pb2.MetricsReply).series
    start_us = min((time for one in found for time in one.times_us), default=0)
    curves = (Curve(session, one.name, _buckets(one, along, start_us)) for one in found)
    return [curve for curve in curves if curve.buckets]


def points(client: Client, session: str, patterns: Iterable[str]) -> list[Shape]:
    """Return every point of the series of a session, as `-j` prints them."""
    request = session_pb2.MetricsRequest(name=session, series=patterns)
    found = client.call("Sessions/Metrics", request, session_pb2.MetricsReply).series
    return [
        {
            "session": session,
            "series": one.name,
            "steps": list(one.steps),
            "times_us": list(one.times_us),
            "values": list(one.values),
        }
        for one in found
    ]


def _buckets(series: session_pb2.Series, along: Along, start_us: int) -> list[Bucket]:
    ends = list(series.steps)
    begins = list(series.first_steps) or ends
    if along != "step":
        origin = start_us if along == "relative" else 0
        begins = ends = [(time - origin) / _MICROSECONDS for time in series.times_us]
    rows = zip(
        begins,
        ends,
        series.firsts or series.values,
        series.values,
        series.mins or series.values,
        series.maxs or series.values,
        series.counts or [1] * len(series.values),
        strict=True,
    )
    return [Bucket(*row) for row in rows if math.isfinite(row[0]) and math.isfinite(row[1])]


def smoothed(curve: Curve, weight: float) -> Curve:
    """Return a curve whose values are means of those before, each weighing so much less.

    A bucket weighs as many points as it stands for. Gaps stay gaps, and count for nothing.
    """
    mean = total = 0.0
    buckets = []
    for bucket in curve.buckets:
        if not math.isfinite(bucket.last):
            buckets.append(_level(bucket, math.nan))
            continue
        kept = weight**bucket.points
        mean = kept * mean + (1 - kept) * bucket.last
        total = kept * total + (1 - kept)
        buckets.append(_level(bucket, mean / total))
    return replace(curve, buckets=buckets)


def _level(bucket: Bucket, value: float) -> Bucket:
    return bucket._replace(begin=bucket.end, first=value, last=value, low=value, high=value)


def logarithmic(curve: Curve) -> Curve:
    """Return a curve of the logarithms; what has none is a gap."""
    return replace(
        curve,
        buckets=[
            bucket._replace(
                first=_log(bucket.first),
                last=_log(bucket.last),
                low=_log(bucket.low),
                high=_log(bucket.high),
            )
            for bucket in curve.buckets
        ],
    )


def _log(value: float) -> float:
    return math.log10(value) if value > 0 else math.nan


def segments(curve: Curve) -> Iterator[Segment]:
    """Yield the lines to draw: through the points, and over what each bucket spans."""
    before: tuple[float, float] | None = None
    for bucket in curve.buckets:
        first, last = (bucket.begin, bucket.first), (bucket.end, bucket.last)
        if before and _is_drawn(before) and _is_drawn(first):
            yield (*before, *first)
        if _is_drawn(first) and _is_drawn(last):
            yield (*first, *last)
        spans = [value for value in bucket[2:6] if math.isfinite(value)]
        if spans:
            middle = (bucket.begin + bucket.end) / 2
            yield (middle, min(spans), middle, max(spans))
        before = last


def _is_drawn(point: tuple[float, float]) -> bool:
    return math.isfinite(point[1])
