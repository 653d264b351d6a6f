"""Metric series as charts draw them: few enough points, and none of the peaks lost."""

import math
from collections.abc import Iterable, Iterator
from typing import TypedDict

from nsml_protos.session_pb2 import Series

BUCKETS = 250
"""Of a chart as wide as a screen: four points each."""


class Row(TypedDict):
    """One series: x and y by position; a value that is no number is null."""

    name: str
    x: list[float]
    y: list[float]


def rows(series: Iterable[Series], until_us: int = 0) -> list[Row]:
    """Return series as they are drawn; what was reported after a time is left out."""
    return [_row(one, until_us) for one in series]


def _row(one: Series, until_us: int) -> Row:
    points = [
        point
        for at in range(len(one.steps))
        if not until_us or one.times_us[at] <= until_us
        for point in _drawn(one, at)
    ]
    return {"name": one.name, "x": [x for x, _ in points], "y": [y for _, y in points]}


def _drawn(one: Series, at: int) -> Iterator[tuple[float, float]]:
    """Yield what is drawn of a point or a bucket: its first, lowest, highest and last value.

    A line through these fills the same pixels as one through all points. Where in a bucket the
    lowest and the highest stood is not known; in the middle of a few pixels they are near enough.
    """
    last = one.steps[at], one.values[at]
    if not one.counts or one.counts[at] == 1:
        yield last
        return
    first = one.first_steps[at]
    third = (last[0] - first) / 3
    yield first, one.firsts[at]
    if not math.isnan(one.mins[at]):
        yield first + third, one.mins[at]
        yield first + 2 * third, one.maxs[at]
    yield last
