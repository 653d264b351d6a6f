"""Datasets: found, looked into, and what changed in them."""

import asyncio

from starlette.responses import Response

from nsml_core.errors import NotFound
from nsml_protos import session_pb2
from nsml_protos.dataset_pb2 import Dataset, Revision
from nsml_web.pages import boards, files
from nsml_web.visit import Visit

_SESSIONS = 20


async def listed(visit: Visit) -> Response:
    """Show datasets: all, or those in which the words stand."""
    words = visit.query("q").lower()
    found = [
        one
        for one in await visit.client.datasets.ls()
        if words in f"{one.name} {one.description} {one.owner}".lower()
    ]
    return visit.page("datasets.html", datasets=found, words=words)


async def show(visit: Visit) -> Response:
    """Show a dataset at a revision: its files, its revisions, its sessions."""
    one = await visit.client.datasets.get(visit.path("name"))
    revision = _revision(one, visit.number("revision"))
    request = session_pb2.ListSessionsRequest(all=True, dataset=one.name, limit=_SESSIONS)
    found, judging, listed = await asyncio.gather(
        files.listing(visit, revision.tree),
        boards.of_platform(visit),
        visit.client.call("Sessions/List", request, session_pb2.ListSessionsReply),
    )
    judging = [board for board in judging if board.terms.dataset == one.name]
    ranked = await boards.ranking(visit, judging[0]) if judging else {"board": None}
    return visit.page(
        "dataset.html",
        one=one,
        revision=revision,
        rows=listed.sessions,
        sessions=listed.total,
        **ranked,
        changes=await _changes(visit, one, revision),
        **found,
    )


async def raw(visit: Visit) -> Response:
    """Answer with one file of a dataset."""
    one = await visit.client.datasets.get(visit.path("name"))
    return await files.raw(visit, _revision(one, visit.number("revision")).tree)


def _revision(one: Dataset, number: int) -> Revision:
    """Return a revision; the newest if none is named."""
    if not number and one.revisions:
        return one.revisions[-1]
    for revision in one.revisions:
        if revision.number == number:
            return revision
    raise NotFound(f"Dataset {one.name} has no revision {number}.")


async def _changes(visit: Visit, one: Dataset, revision: Revision) -> dict[str, list[str]]:
    """Return which files came and went, and which are of another size, since the one before."""
    earlier = [known for known in one.revisions if known.number < revision.number]
    if not earlier:
        return {}
    old = dict(await visit.client.trees.sizes(earlier[-1].tree))
    new = dict(await visit.client.trees.sizes(revision.tree))
    return {
        "added": sorted(new.keys() - old.keys()),
        "removed": sorted(old.keys() - new.keys()),
        "resized": sorted(path for path in new.keys() & old.keys() if new[path] != old[path]),
    }
