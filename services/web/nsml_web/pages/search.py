"""What the search box finds, for the script that shows it."""

from starlette.responses import Response

from nsml_protos import session_pb2
from nsml_web import look
from nsml_web.pages import boards
from nsml_web.visit import Visit

_MOST = 8
_PLACES = ("sessions", "datasets", "boards", "cluster", "credit", "account")


async def found(visit: Visit) -> Response:
    """Return sessions, datasets, boards and pages in which the words stand."""
    words = visit.query("q").lower()
    request = session_pb2.ListSessionsRequest(all=True, words=words, limit=_MOST)
    listed = await visit.client.call("Sessions/List", request, session_pb2.ListSessionsReply)
    sessions = [
        {
            "title": row.session.name,
            "detail": f"{look.status(row.session)} {row.session.memo}".strip(),
            "to": f"/sessions/{row.session.name}",
        }
        for row in listed.sessions
    ]
    datasets = [
        {"title": one.name, "detail": one.description, "to": f"/datasets/{one.name}"}
        for one in await visit.client.datasets.ls()
        if words in f"{one.name} {one.description}".lower()
    ]
    judging = [
        {"title": one.name, "detail": one.terms.description, "to": f"/boards/{one.name}"}
        for one in await boards.of_platform(visit)
        if words in f"{one.name} {one.terms.description}".lower()
    ]
    places = [
        {"title": visit.said(name.capitalize()), "detail": "", "to": f"/{name}"}
        for name in _PLACES
        if words in name or words in visit.said(name.capitalize()).lower()
    ]
    return visit.json({"found": [*sessions, *datasets[:_MOST], *judging[:_MOST], *places]})
