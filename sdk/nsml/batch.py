"""Reports as columns: one message holds many, which costs a tenth of a message for each."""

from __future__ import annotations

from array import array
from binascii import b2a_base64
from itertools import chain, compress
from math import isfinite, nan
from operator import le

from nsml.notice import warn_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence, Tuple

    Report = Tuple[float | None, float, dict[str, float], bool]
    """Step, time in seconds, values, and whether they are a summary."""

NAME_MAX = 200
_NAMES_KNOWN = 20_000
_STEP_MAX = 1e300

_names: dict[str, str] = {}
_newest: dict[tuple[str, ...], float] = {}


def as_message(reports: Sequence[Report]) -> dict[str, Any]:
    """Return reports as one message of columns.

    Report i is at steps[i] (NaN: none) and times[i], and tells of the series names[which[i]]; its
    values follow those of the report before it.
    """
    names: dict[tuple[str, ...], int] = {}
    steps, times, values, are_summaries = zip(*reports)
    kinds = list(map(tuple, values))
    which = array("I", [names.setdefault(kind, len(names)) for kind in kinds])
    summary: dict[str, float] = {}
    for told in compress(values, are_summaries):
        summary.update(told)
    return {
        "op": "points",
        "names": [[_name(each) for each in kind] for kind in names],
        "which": _text(which),
        "steps": _text(_steps(kinds, names, steps)),
        "times": _text(array("q", [int(time * 1e6) for time in times])),
        "values": _text(array("d", chain.from_iterable(map(dict.values, values)))),
        "summary": {_name(each): value for each, value in summary.items()},
    }


def _text(column: array[Any]) -> str:
    return b2a_base64(column, newline=False).decode()


def _steps(kinds: Sequence[tuple[str, ...]], names: Any, steps: Sequence[Any]) -> array[Any]:
    """Return steps as they are sent; most often they are of one loop, and go up."""
    if len(names) == 1 and None not in steps:
        try:
            column = array("d", steps)
        except OverflowError:  # a whole number that is too large is told of below
            column = array("d", [nan])
        before = _newest.get(kinds[0], -_STEP_MAX)
        if before <= column[0] and column[-1] < _STEP_MAX and all(map(le, column, column[1:])):
            _newest[kinds[0]] = column[-1]
            return column
    return array(
        "d", [nan if step is None else _step(kind, step) for kind, step in zip(kinds, steps)]
    )


def _step(kind: tuple[str, ...], step: float) -> float:
    """Return a step as it is sent; say once if one is strange."""
    before = _newest.get(kind)
    if before is None and len(_newest) >= _NAMES_KNOWN:
        _newest.clear()
    if not -_STEP_MAX < step < _STEP_MAX:
        return _strange(step)
    if before is not None and step < before:
        warn_once(
            "step",
            f"the step of {kind[0]} went back from {before:g} to {step:g}: points are shown in the"
            " order of their steps, and all are kept; this is said once.",
        )
    _newest[kind] = step
    return step


def _strange(step: float) -> float:
    said = "too large" if isinstance(step, int) or isfinite(step) else repr(step)
    warn_once("step value", f"a step is {said}: such reports are counted instead.")
    return nan


def _name(given: str) -> str:
    """Return the name of a series as it is sent; say once if one is strange."""
    name = _names.get(given)
    if name is None:
        if len(_names) >= _NAMES_KNOWN:
            _names.clear()
        name = _names[given] = clean_name(given)
    return name


def clean_name(given: str) -> str:
    """Return what a series is called whose name was given so."""
    name = given.replace("__", "/")
    if not name.isprintable():
        name = "".join(each if each.isprintable() else "_" for each in name)
        warn_once("name", f"{given[:50]!r} has characters that cannot be shown: it is {name[:50]}.")
    if not name:
        warn_once("no name", "a name is empty: it is _.")
        return "_"
    if len(name) > NAME_MAX:
        name = name[:NAME_MAX]
        warn_once("long name", f"a name has {len(given)} characters: it is cut to {name[:50]}….")
    return name
