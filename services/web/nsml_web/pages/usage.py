"""What a session has used over time, as charts draw it: cores, memory, GPUs, of each rank."""

import asyncio
from collections.abc import Callable, Iterator, Sequence

from starlette.responses import Response

from nsml_protos.session_pb2 import SessionUsage
from nsml_web import look
from nsml_web.costs import spent
from nsml_web.curves import Row
from nsml_web.pages.session import get, name, until
from nsml_web.visit import Visit

_UNITS = {"seconds": 1_000_000, "minutes": 60_000_000, "hours": 3_600_000_000}
_UNITS_MIN = 3
"""What lasted that many of a unit is drawn in it."""

_MB = 1 << 20
_GB = 1 << 30
_GB_FROM = 4 * _GB

Point = tuple[float, float]
Said = Callable[[str], str]


async def show(visit: Visit) -> Response:
    """Return what a session has used until now, or until the event that the page is of."""
    one, end = await asyncio.gather(get(visit), until(visit))
    told = await visit.client.sessions.usage_history(name(visit))
    samples = [each for each in told if not end or each.usage.time_us <= end]
    cost = None if end else await spent(visit, one.info)
    return visit.json(
        {
            "axis": visit.said(unit(samples)),
            "series": rows(samples, visit.said, is_gang=one.info.spec.resources.nodes > 1),
            "spent": "" if cost is None else look.credit(cost),
        }
    )


def rows(samples: Sequence[SessionUsage], said: Said, *, is_gang: bool) -> list[Row]:
    """Return the samples as series; those of one quantity end alike, and share a chart."""
    began = min((each.usage.time_us for each in samples), default=0)
    is_large = max((each.usage.memory_bytes for each in samples), default=0) >= _GB_FROM
    scale = ("GB", _GB) if is_large else ("MB", _MB)
    span = _UNITS[unit(samples)]
    found: dict[str, list[Point]] = {}
    for each in samples:
        of = f"{said('rank')} {each.rank}" if is_gang else ""
        x = (each.usage.time_us - began) / span
        for what, device, value in _values(each, *scale):
            part = " ".join(word for word in (of, device) if word)
            label = said(what)  # what follows the last slash names the chart
            found.setdefault(f"{part}/{label}" if part else label, []).append((x, value))
    return [
        Row(name=name, x=[x for x, _ in points], y=[y for _, y in points])
        for name, points in found.items()
    ]


def _values(each: SessionUsage, unit: str, size: int) -> Iterator[tuple[str, str, float]]:
    """Yield what is drawn of a sample: the quantity, the device, the value."""
    used = each.usage
    yield "CPU (cores)", "", used.cpu_cores
    yield f"Memory ({unit})", "", used.memory_bytes / size
    for device, part in enumerate(used.gpu_utilization):
        yield "GPU (%)", f"GPU {device}", 100 * part
    for device, held in enumerate(used.gpu_memory_bytes):
        yield "GPU memory (GB)", f"GPU {device}", held / _GB


def unit(samples: Sequence[SessionUsage]) -> str:
    """Return what time is drawn in."""
    times = [each.usage.time_us for each in samples] or [0]
    lasted = max(times) - min(times)
    fits = [name for name, size in _UNITS.items() if lasted >= _UNITS_MIN * size]
    return fits[-1] if fits else "seconds"
