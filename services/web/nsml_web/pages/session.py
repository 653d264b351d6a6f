"""One session: what it is, what it prints and reports, and what happened to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable
from functools import partial
from typing import Any, TypeVar

from starlette.responses import Response, StreamingResponse

from nsml_client import logs
from nsml_client.modes import Async
from nsml_client.names import Moment
from nsml_client.session import Session
from nsml_protos import session_pb2
from nsml_protos.session_pb2 import MetricsRequest
from nsml_web import curves, events, look
from nsml_web.costs import spent
from nsml_web.following import Following
from nsml_web.live import Render, Watch
from nsml_web.output import shown
from nsml_web.visit import Visit

T = TypeVar("T")

_TAIL = 1000
_RANKS_MAX = 4096
_MOMENT_SECONDS = 0.9
"""Less than pages wait before they look again."""


def name(visit: Visit) -> str:
    """Return the session's name that the address has."""
    parts = (visit.path(part) for part in ("owner", "dataset", "number"))
    return "/".join(parts)


async def get(visit: Visit) -> Session[Async]:
    """Return the session of the address, as it is or as it was at one of its events."""
    at = visit.query("at")
    return await visit.client.sessions.get(name(visit), at=at if at.isdecimal() else "")


async def show(visit: Visit) -> Response:
    """Show a session, live, or as it was at an event."""
    one, row, history = await asyncio.gather(
        get(visit), _row(visit, name(visit)), visit.client.sessions.named(name(visit)).history()
    )
    at = visit.number("at")
    return visit.page(
        "session.html",
        one=one.info,
        tab="overview",
        summary=dict(row.summary) if not at else {},
        history=events.told(history),
        spent=None if at else await spent(visit, one.info),
        usage=None if at else await _usage(visit, one.info),
    )


async def live(visit: Visit) -> Response:
    """Tell what happens to a session, as it happens."""
    await get(visit)  # who may not see it is told so at once
    end = await until(visit)
    rank = visit.query("rank")
    request = logs.request(
        name(visit),
        follow=not end,
        tail=_TAIL,
        until=Moment(time_us=end),
        grep=visit.query("grep"),
        ranks=[visit.number("rank", most=_RANKS_MAX)] if rank.isdecimal() else [],
    )
    mark = visit.request.headers.get("last-event-id", visit.query("after"))
    following = Following(visit.web.channels, visit.client)
    metrics = MetricsRequest(name=name(visit), buckets=curves.BUCKETS)
    watch = Watch(
        lines=following.lines(request, mark),
        points=None if end else following.points(metrics),
        look=_shared(visit, partial(_info, visit)),
        render=_parts(visit),
        said=visit.said,
    )
    return StreamingResponse(
        watch.events(), media_type="text/event-stream", headers={"x-accel-buffering": "no"}
    )


async def series(visit: Visit) -> Response:
    """Return metrics as charts draw them, all or between two steps, until an event or now."""
    found = await visit.client.sessions.named(name(visit)).series(
        buckets=curves.BUCKETS, from_step=visit.step("from"), to_step=visit.step("to")
    )
    return visit.json({"series": curves.rows(found, await until(visit))})


async def log(visit: Visit) -> Response:
    """Return what a session printed, as a text file."""
    one = await get(visit)

    async def text() -> AsyncIterator[bytes]:
        async for line in one.logs():
            yield f"{shown(line.text.encode())}\n".encode()

    file = f"{one.name.replace('/', '_')}.log"
    return StreamingResponse(
        text(),
        media_type="text/plain; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{file}"'},
    )


async def history(visit: Visit) -> Response:
    """Tell what happened to a session, event by event."""
    one, lines = await asyncio.gather(
        get(visit), visit.client.sessions.named(name(visit)).history()
    )
    at = visit.number("at")
    told = events.told([line for line in lines if not at or line.sequence <= at])
    return visit.page("history.html", one=one.info, tab="history", history=told)


async def family(visit: Visit) -> Response:
    """Show which session was forked from which."""
    one = await get(visit)
    found = [member.info for member in await one.family()]
    below: dict[str, list[session_pb2.Session]] = {}
    for member in found:
        below.setdefault(member.parent.session, []).append(member)
    known = {member.name for member in found}
    roots = [member for member in found if member.parent.session not in known]
    return visit.page("family.html", one=one.info, tab="family", roots=roots, below=below)


async def _info(visit: Visit) -> session_pb2.Session:
    return (await visit.client.sessions.get(name(visit))).info


def _shared(
    visit: Visit, ask: Callable[[], Coroutine[Any, Any, T]], *about: Hashable
) -> Callable[[], Awaitable[T]]:
    """Return what asks, or has the answer that another page of this login got a moment ago."""
    key = (visit.require_login(), visit.language, name(visit), *about)
    return partial(visit.web.recent.get, key, _MOMENT_SECONDS, ask)


def _parts(visit: Visit) -> Render:
    """Return what renders the parts of the page that a session's state changes."""

    async def render(one: session_pb2.Session) -> dict[str, str]:
        state = one.SerializeToString(deterministic=True)
        return await _shared(visit, partial(rendered, one), state)()

    async def rendered(one: session_pb2.Session) -> dict[str, str]:
        row = await _row(visit, one.name)
        values = {
            "one": one,
            "summary": dict(row.summary),
            "spent": await spent(visit, one),
            "usage": await _usage(visit, one),
        }
        return {
            part: visit.part(f"parts/{part}.html", **values)
            for part in ("state", "actions", "facts")
        }

    return render


async def _row(visit: Visit, name: str) -> session_pb2.SessionRow:
    """Return what only the list knows of a session."""
    request = session_pb2.ListSessionsRequest(
        all=True, pattern=name, owner=name.partition("/")[0], limit=1
    )
    reply = await visit.client.call("Sessions/List", request, session_pb2.ListSessionsReply)
    return reply.sessions[0] if reply.sessions else session_pb2.SessionRow()


async def _usage(visit: Visit, one: session_pb2.Session) -> session_pb2.Usage | None:
    """Return what it uses now; None of one that does not run."""
    if not look.is_live(one):
        return None
    found = await visit.client.sessions.usage(one.name)
    return found[0].usage if found else None


async def until(visit: Visit) -> int:
    """Return the time of the event that the page is of; 0: now."""
    at = visit.number("at")
    if not at:
        return 0
    told = await visit.client.sessions.named(name(visit)).history()
    times = [line.time.ToMicroseconds() for line in told if line.sequence <= at]
    return times[-1] if times else 0
