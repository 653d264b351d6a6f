"""The list of sessions: found by words, status, dataset and tag, a page at a time."""

from urllib.parse import urlencode

from starlette.responses import Response

from nsml_protos import session_pb2
from nsml_protos.session_pb2 import ListSessionsReply, ListSessionsRequest
from nsml_web.visit import Visit

_PAGE = 50
_PAGES_MAX = 1 << 20
STATUSES = {name.lower(): number for name, number in session_pb2.Status.items() if number}


FILTERS = ("q", "status", "dataset", "tag", "owner")
"""What an address can look for."""


def asked(visit: Visit, limit: int, offset: int = 0) -> ListSessionsRequest:
    """Return what an address looks for."""
    status = visit.query("status")
    return ListSessionsRequest(
        all=True,
        dataset=visit.query("dataset"),
        tag=visit.query("tag"),
        owner=visit.query("owner"),
        words=visit.query("q"),
        statuses=[STATUSES[status]] if status in STATUSES else [],
        limit=limit,
        offset=offset,
    )


async def first(visit: Visit) -> Response:
    """Lead to what people look at first."""
    return visit.to("/sessions")


async def listed(visit: Visit) -> Response:
    """Show sessions, the newest first."""
    number = max(visit.number("page", 1, _PAGES_MAX), 1)
    request = asked(visit, _PAGE, (number - 1) * _PAGE)
    reply = await visit.client.call("Sessions/List", request, ListSessionsReply)
    kept = {name: visit.query(name) for name in FILTERS}
    return visit.page(
        "sessions.html",
        rows=reply.sessions,
        total=reply.total,
        number=number,
        pages=max(-(-reply.total // _PAGE), 1),
        statuses=list(STATUSES),
        asked=kept,
        query=urlencode({name: value for name, value in kept.items() if value}),
        datasets=sorted(one.name for one in await visit.client.datasets.ls()),
    )
