"""Metrics as columns: a pandas.DataFrame where pandas is installed, else a dictionary of lists."""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from itertools import chain
from typing import Any

from nsml_protos.session_pb2 import Series

_POINTS = {"step": "steps", "value": "values"}
_BUCKETS = {
    "min": "mins", "max": "maxs", "first": "firsts", "first_step": "first_steps", "count": "counts",
}  # fmt: skip


def columns(found: Sequence[Series], *, in_buckets: bool) -> Any:
    """Return one row a point, or a bucket of points."""
    wanted = _POINTS | _BUCKETS if in_buckets else _POINTS
    told = {name: _joined(found, field) for name, field in wanted.items()}
    times = _joined(found, "times_us")
    if find_spec("pandas") is None:
        names = [series.name for series in found for _ in series.steps]
        moments = [datetime.fromtimestamp(time / 1e6, UTC) for time in times]
        return {"series": names, **told, "time": moments}
    pandas: Any = import_module("pandas")
    codes = [number for number, series in enumerate(found) for _ in series.steps]
    names = pandas.Categorical.from_codes(codes, [series.name for series in found])
    moments = pandas.to_datetime(times, unit="us", utc=True)
    return pandas.DataFrame({"series": names, **told, "time": moments})


def _joined(found: Sequence[Series], field: str) -> list[Any]:
    return list(chain.from_iterable(getattr(series, field) for series in found))
