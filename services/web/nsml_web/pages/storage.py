"""What takes room in the store: datasets, models, outputs, the largest first; and removing it."""

import asyncio
from dataclasses import dataclass

from starlette.responses import Response

from nsml_client import models as checkpoints
from nsml_protos import session_pb2
from nsml_protos.session_pb2 import ListSessionsReply, ListSessionsRequest, SessionRow
from nsml_web.forms import tried
from nsml_web.pages.account import tab
from nsml_web.pages.session import get, name
from nsml_web.visit import Visit

_SESSIONS = 2000
_SHOWN = 100


@dataclass(frozen=True)
class Kept:
    """What a session keeps."""

    session: session_pb2.Session
    models: int
    output: int

    @property
    def bytes(self) -> int:
        return self.models + self.output


async def show(visit: Visit) -> Response:
    """Show what an owner keeps: oneself, or a team."""
    owner = visit.query("owner") or visit.client.user
    request = ListSessionsRequest(all=True, owner=owner, limit=_SESSIONS)
    quota, datasets, listed = await asyncio.gather(
        visit.client.policy.quota(owner),
        visit.client.datasets.ls(),
        visit.client.call("Sessions/List", request, ListSessionsReply),
    )
    kept = sorted(map(_kept, listed.sessions), key=lambda one: one.bytes, reverse=True)
    sized = [(one, sum(each.bytes for each in one.revisions)) for one in datasets]
    return await tab(
        visit,
        "storage.html",
        tab="storage",
        owner=owner,
        quota=quota,
        datasets=sorted((one for one in sized if one[0].owner == owner), key=lambda one: -one[1]),
        sessions=[one for one in kept if one.bytes][:_SHOWN],
        looked=len(listed.sessions),
        total=listed.total,
    )


async def removing_model(visit: Visit, sentence: str = "", status: int = 200) -> Response:
    """Ask whether a model is really to be removed."""
    one = await get(visit)
    point = checkpoints.find(one.info, visit.query("name") or visit.field("checkpoint"))
    return visit.page(
        "remove_model.html", status, one=one.info, tab="models", point=point, sentence=sentence
    )


async def remove_model(visit: Visit) -> Response:
    """Remove a model."""
    one = visit.client.sessions.named(name(visit))
    work = one.remove_model(visit.field("checkpoint"), scored=bool(visit.field("scored")))
    return await tried(visit, work, removing_model, f"/sessions/{one.name}/models")


async def removing_dataset(visit: Visit, sentence: str = "", status: int = 200) -> Response:
    """Ask whether a dataset is really to be removed."""
    one = await visit.client.datasets.get(visit.path("name"))
    size = sum(each.bytes for each in one.revisions)
    return visit.page("remove_dataset.html", status, one=one, size=size, sentence=sentence)


async def remove_dataset(visit: Visit) -> Response:
    """Remove a dataset and all its revisions."""
    work = visit.client.datasets.rm(visit.path("name"))
    return await tried(visit, work, removing_dataset, "/account/storage")


def _kept(row: SessionRow) -> Kept:
    return Kept(row.session, row.checkpoint_bytes, row.session.outcome.output_bytes)
