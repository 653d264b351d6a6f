"""Which sessions a comparison is of: those that its address names, and those that it looks for."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from nsml_client import names
from nsml_client.modes import Async
from nsml_client.session import Session
from nsml_core.errors import Invalid, NotFound
from nsml_protos.session_pb2 import ListSessionsReply, ListSessionsRequest, SessionRow
from nsml_web.pages.sessions import FILTERS, asked
from nsml_web.visit import Visit

T = TypeVar("T")

_MOST = 500
_AT_ONCE = 16
"""Calls for them; other people ask, too."""


@dataclass(frozen=True)
class Chosen:
    """Sessions side by side."""

    rows: list[SessionRow]
    ones: list[Session[Async]]
    found: int
    """How many the address looks for; more than there are here, if they are too many."""


async def chosen(visit: Visit) -> Chosen:
    """Return the sessions of a comparison.

    Raises:
        NotFound: One of those that are named is not there.
        Invalid: More are named than can be compared.
    """
    rows = await _named(visit)
    found = 0
    if any(visit.query(name) for name in FILTERS):
        request = asked(visit, max(_MOST - len(rows), 1))
        reply = await visit.client.call("Sessions/List", request, ListSessionsReply)
        rows, found = rows | {row.session.name: row for row in reply.sessions}, reply.total
    ones = []
    for name, row in rows.items():
        one = visit.client.sessions.named(name)
        one.info = row.session
        ones.append(one)
    return Chosen(list(rows.values()), ones, found)


async def _named(visit: Visit) -> dict[str, SessionRow]:
    typed = visit.request.query_params.getlist("s")
    words = (word for text in typed for word in text.split())
    wanted = list(dict.fromkeys(names.session(word, visit.client.user) for word in words))
    if len(wanted) > _MOST:
        raise Invalid(f"These are {len(wanted)} sessions: compare {_MOST} at most.")
    by_owner: defaultdict[str, list[str]] = defaultdict(list)
    for name in wanted:
        by_owner[name.partition("/")[0]].append(name)
    requests = [
        ListSessionsRequest(all=True, owner=owner, names=theirs)
        for owner, theirs in by_owner.items()
    ]
    replies = await asyncio.gather(
        *(visit.client.call("Sessions/List", each, ListSessionsReply) for each in requests)
    )
    known = {row.session.name: row for reply in replies for row in reply.sessions}
    for name in wanted:
        if name not in known:
            raise NotFound(f"There is no session {name}: `nsml ps -a` shows yours.")
    return {name: known[name] for name in wanted}


async def each(
    ones: Iterable[Session[Async]], ask: Callable[[Session[Async]], Awaitable[T]]
) -> list[T]:
    """Ask about each of them, a few at a time."""
    free = asyncio.Semaphore(_AT_ONCE)

    async def one_of(one: Session[Async]) -> T:
        async with free:
            return await ask(one)

    return list(await asyncio.gather(*map(one_of, ones)))
