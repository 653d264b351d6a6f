"""Sessions as lines across axes: what they were given that differs, and what came of it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from starlette.responses import Response

from nsml_client.modes import Async
from nsml_client.session import Session
from nsml_protos.session_pb2 import Series
from nsml_web.chosen import chosen, each
from nsml_web.pages.compare import arguments
from nsml_web.visit import Visit

_AXES_MAX = 40


class Axis(TypedDict):
    """One quantity: what each session has of it, as text, and as numbers if it is made of such."""

    name: str
    kind: str
    """`given`, or `metric`."""

    texts: list[str]
    numbers: dict[str, list[float | None]]
    """By which value of it: what was given is one, a metric has its last and its extremes."""


async def show(visit: Visit) -> Response:
    """Return the axes of the sessions that the address names."""
    ones = (await chosen(visit)).ones
    found = await each(ones, lambda one: one.series(buckets=1))
    axes = [*given([_given(one) for one in ones]), *metrics(found)]
    return visit.json({"sessions": [one.name for one in ones], "axes": axes[:_AXES_MAX]})


def given(settings: Sequence[Mapping[str, str]]) -> list[Axis]:
    """Return an axis for each setting in which sessions differ."""
    names = dict.fromkeys(name for each in settings for name in each)
    columns = {name: [each.get(name, "") for each in settings] for name in names}
    return [
        Axis(name=name, kind="given", texts=texts, numbers=_as_numbers(texts))
        for name, texts in columns.items()
        if len(set(texts)) > 1
    ]


def metrics(found: Sequence[Iterable[Series]]) -> list[Axis]:
    """Return an axis for each series, of which sessions have all of its points as one bucket."""
    known = [{series.name: series for series in each if series.values} for each in found]
    names = dict.fromkeys(name for each in known for name in each)
    return [_metric(name, [each.get(name) for each in known]) for name in names]


def _metric(name: str, column: Sequence[Series | None]) -> Axis:
    last = [_number(each.values[-1]) if each else None for each in column]
    least = [_number(each.mins[-1]) if each and each.mins else None for each in column]
    greatest = [_number(each.maxs[-1]) if each and each.maxs else None for each in column]
    return Axis(
        name=name,
        kind="metric",
        texts=[],
        numbers={"last": last, "least": least, "greatest": greatest},
    )


def _given(one: Session[Async]) -> dict[str, str]:
    facts = {f"config {name}": str(value) for name, value in one.config.items()}
    facts |= {f"param {name}": str(value) for name, value in one.params.items()}
    return {**arguments(one.info.spec), **facts}


def _as_numbers(texts: Sequence[str]) -> dict[str, list[float | None]]:
    """Return a column as numbers; nothing if something in it is none."""
    try:
        return {"given": [_number(float(text)) if text else None for text in texts]}
    except ValueError:
        return {}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
