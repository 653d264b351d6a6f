"""What the SDK may say, checked: user code can send anything, of any size."""

import binascii
import json
import math
from array import array
from binascii import a2b_base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nsml_core.errors import Invalid
from nsml_protos import session_pb2

VALUES_MAX = 1000
"""Of one report."""

SERIES_NAME_MAX = 200
RECORD_BYTES_MAX = 2 << 20
MEDIA_TYPE_MAX = 50
_MICROSECONDS_MAX = 1 << 62
_KINDS = {
    "histogram": session_pb2.HISTOGRAM,
    "image": session_pb2.IMAGE,
    "text": session_pb2.TEXT,
    "table": session_pb2.TABLE,
}


@dataclass(frozen=True, slots=True)
class Reports:
    """Report i is at steps[i] (NaN: it is counted) and times_us[i] (0: now).

    It tells of the series names[which[i]]; its values follow those of the report before it.
    """

    names: Sequence[Sequence[str]]
    which: Sequence[int]
    steps: Sequence[float]
    times_us: Sequence[int]
    values: Sequence[float]
    summary: dict[str, float]


@dataclass(frozen=True, slots=True)
class Save:
    id: int
    name: str
    step: float | None
    path: str


@dataclass(frozen=True, slots=True)
class Load:
    id: int
    name: str | None
    session: str | None
    start: bool = False
    """What the session goes on from is meant, if it has this name."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Outputs that later sessions may fetch by this key."""

    id: int
    key: str
    path: str


@dataclass(frozen=True, slots=True)
class Fetch:
    id: int
    key: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """The model is loaded; what comes now is predicting or answering."""


@dataclass(frozen=True, slots=True)
class Listen:
    """This connection may be asked to evaluate code."""

    rank: int
    reports: bool


@dataclass(frozen=True, slots=True)
class Answer:
    id: str
    state: str
    output: str
    value: str
    error: str
    cut: bool


Message = Reports | session_pb2.Record | Save | Load | Keep | Fetch | Loaded
Talk = Listen | Answer


def parse(line: bytes) -> Message | Talk:
    try:
        return _message(json.loads(line))
    except (ValueError, RecursionError, OverflowError):
        raise Invalid("it is not one line of JSON") from None


def _message(values: object) -> Message | Talk:
    if not isinstance(values, dict):
        raise Invalid("it is no JSON object")
    return _told(values) or _talk(values) or _asked(values)


def _told(values: dict[Any, Any]) -> Reports | session_pb2.Record | None:
    """Return what has no answer; None if it is something else."""
    match values:
        case {"op": "points", "names": list(names), "summary": dict(summary)}:
            return _reports(values, [_kind(each) for each in names], _summary(summary))
        case {"op": "report", "values": dict(points)}:
            return _report(values, points)
        case {"op": "record", "kind": str(kind), "name": str(name), "data": str(data)}:
            return _record(values, kind, name, data)
        case _:
            return None


def _asked(values: dict[Any, Any]) -> Message:
    match values:
        case {"op": "save", "id": int(number), "name": str(name), "path": str(path)}:
            return Save(number, name, _number(values.get("step")), path)
        case {"op": "load", "id": int(number), "name": None | str() as name}:
            session = values.get("session")
            other = session if isinstance(session, str) else None
            return Load(number, name, other, start=values.get("start") is True)
        case {"op": "keep", "id": int(number), "key": str(key), "path": str(path)}:
            return Keep(number, key, path)
        case {"op": "fetch", "id": int(number), "key": str(key)}:
            return Fetch(number, key)
        case {"op": "loaded"}:
            return Loaded()
        case {"op": str(operation)}:
            raise Invalid(f"{operation[:20]!r} with these fields is not understood")
        case _:
            raise Invalid("it says no operation")


def _reports(
    message: dict[Any, Any], names: list[tuple[str, ...]], summary: dict[str, float]
) -> Reports:
    reports = Reports(
        names,
        _column(message, "which", "I"),
        _column(message, "steps", "d"),
        _column(message, "times", "q"),
        _column(message, "values", "d"),
        summary,
    )
    count = len(reports.which)
    sizes = [len(kind) for kind in names]
    if count and max(reports.which) >= len(names):
        raise Invalid("it tells of series that it does not name")
    if not count == len(reports.steps) == len(reports.times_us):
        raise Invalid("its columns are not equally long")
    if count and not 0 <= min(reports.times_us) <= max(reports.times_us) < _MICROSECONDS_MAX:
        raise Invalid("it has no time")
    if sum(sizes[which] for which in reports.which) != len(reports.values):
        raise Invalid("it has not one value for each series")
    return reports


def _column(message: dict[Any, Any], name: str, kind: str) -> Any:
    """Return a column; the SDK runs on this machine, so that numbers have the same bytes."""
    column = array(kind)
    try:
        column.frombytes(a2b_base64(message.get(name) or ""))
    except (TypeError, ValueError, binascii.Error):
        raise Invalid(f"its column {name!r} cannot be read") from None
    return column


def _kind(names: object) -> tuple[str, ...]:
    if not isinstance(names, list) or len(names) > VALUES_MAX:
        raise Invalid(f"a report holds at most {VALUES_MAX} values")
    return tuple(map(_name, names))


def _name(name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= SERIES_NAME_MAX:
        raise Invalid(f"{str(name)[:20]!r} is no name of a series")
    return name if name.isascii() else name.encode("utf-8", "replace").decode()


def _summary(values: dict[Any, Any]) -> dict[str, float]:
    summary = {}
    for name, value in values.items():
        number = _number(value)
        if number is None:
            raise Invalid(f"{name[:20]!r} is no name with a number")
        summary[_name(name)] = number
    return summary


def _report(message: dict[Any, Any], points: dict[Any, Any]) -> Reports:
    """Return one report, as the SDK of 0.2 sends it."""
    names = _kind(list(points))
    values = _summary(points)
    step = _number(message.get("step"))
    return Reports(
        [names],
        [0],
        [math.nan if step is None else step],
        [_microseconds(message.get("time"))],
        list(values.values()),
        values if message.get("summary") is True else {},
    )


def _record(message: dict[Any, Any], kind: str, name: str, data: str) -> session_pb2.Record:
    try:
        content = a2b_base64(data)
    except (ValueError, binascii.Error):
        raise Invalid("a record's data cannot be read") from None
    media_type = str(message.get("media", ""))
    if kind not in _KINDS or len(content) > RECORD_BYTES_MAX or len(media_type) > MEDIA_TYPE_MAX:
        raise Invalid(f"the record {name[:20]!r} is none, or has above {RECORD_BYTES_MAX} bytes")
    return session_pb2.Record(
        kind=_KINDS[kind],
        name=_name(name),
        step=_number(message.get("step")),
        time_us=_microseconds(message.get("time")),
        media_type=_name(media_type or "-"),
        data=content,
    )


def _talk(values: dict[Any, Any]) -> Talk | None:
    """Return what a process says that may be asked; None if it is something else."""
    match values:
        case {"op": "listen", "rank": int(rank)}:
            return Listen(rank, reports=values.get("reports") is True)
        case {"op": "answer", "id": str(name), "state": str(state)}:
            output, value, error = (
                _text(values.get(each)) for each in ("output", "value", "error")
            )
            cut = values.get("cut") is True
            return Answer(_text(name), _text(state), output, value, error, cut=cut)
        case _:
            return None


def _text(value: object) -> str:
    """Return what protobuf takes as text: half a surrogate pair is none."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _microseconds(value: object) -> int:
    """Return a time; 0 if it is none."""
    seconds = _number(value)
    if seconds is None or not math.isfinite(seconds):
        return 0
    microseconds = int(seconds * 1e6)
    return microseconds if 0 < microseconds < _MICROSECONDS_MAX else 0
