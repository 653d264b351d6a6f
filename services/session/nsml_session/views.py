"""What may be seen of sessions."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

from nsml_core.tables import Column, StateTable, like, message_rows, span
from nsml_core.views import Schema, View
from nsml_protos.session_pb2 import ListSessionsRequest, Session
from nsml_session.notices import TOPIC
from nsml_session.state import LIVE, SESSION

_WANTED = (
    "($1 = '' or owner = $1) and ($2 = '' or dataset = $2) and ($3 = '' or key like $3) "
    "and ($4 = '' or exists (select from string_to_table(tags, E'\\n') tag where tag like $4))"
)
_FOUND = (
    "found_by like all ($5::text[]) and ($6::int[] = '{}' or status = any ($6::int[])) "
    "and ($7::text[] = '{}' or key = any ($7::text[]))"
)
_PAGE = 100
"""Sessions that are asked for at once."""


def _life(session: Session) -> object:
    """Return from when until when a session may have been live; what was resumed, all the time."""
    ended = session.ended.ToDatetime() if session.HasField("ended") else None
    return span(session.created.ToDatetime(), ended)


def _found_by(session: Session) -> str:
    """Return what the words that people look for are looked up in."""
    spec = session.spec
    return (
        " ".join([session.name, session.memo, spec.entry, *spec.args, *spec.tags])
        .lower()
        .replace("\0", " ")
    )


SESSIONS = StateTable(
    "session",
    SESSION,
    {
        "owner": Column("text", lambda session: session.owner),
        "dataset": Column("text", lambda session: session.name.split("/")[1]),
        "number": Column("int", lambda session: int(session.name.rpartition("/")[2])),
        "live": Column("boolean", lambda session: session.status in LIVE),
        "removed": Column("boolean", lambda session: session.removed),
        "created": Column("timestamp", lambda session: session.created.ToDatetime()),
        "request_key": Column("text", lambda session: session.request_key),
        "parent": Column("text", lambda session: session.parent.session),
        "tags": Column("text", lambda session: "\n".join(session.spec.tags)),
        "life": Column("tsrange", _life),
        "status": Column("int", lambda session: session.status),
        "found_by": Column("text", _found_by),
    },
    indexes=(
        "owner, created",
        "request_key",
        "owner, dataset, number",
        "created",
        "parent",
        "using gist (life)",
        "using btree (created) where live",
    ),
)
SCHEMA = Schema("session", ("nsml.session.>",), (SESSIONS,), (TOPIC.table(),), version=7)


async def list_sessions(view: View, request: ListSessionsRequest, owner: str) -> list[Session]:
    """Return an owner's sessions, newest first; `*` and `?` are wildcards, no owner means all."""
    rows = await view.pool.fetch(
        f"select state from session.session where {_matching(request)} "
        "order by created desc, number desc limit $8 offset $9",
        *_asked(request, owner),
        *_looked_for(request),
        request.limit or None,
        request.offset,
    )
    return message_rows(rows, Session)


async def count_sessions(view: View, request: ListSessionsRequest, owner: str) -> int:
    """Return how many such sessions there are, whatever the limit."""
    query = f"select count(*) from session.session where {_matching(request)}"
    asked = (*_asked(request, owner), *_looked_for(request))
    return int(await view.pool.fetchval(query, *asked))


def _matching(request: ListSessionsRequest) -> str:
    return f"not removed and {'true' if request.all else 'live'} and {_WANTED} and {_FOUND}"


def _looked_for(request: ListSessionsRequest) -> tuple[list[str], list[int], list[str]]:
    words = request.words.lower().split()
    return [like(f"*{word}*") for word in words], list(request.statuses), list(request.names)


def _asked(request: ListSessionsRequest, owner: str) -> tuple[str, ...]:
    return owner, request.dataset, like(request.pattern), like(request.tag)


async def known_at(
    view: View, request: ListSessionsRequest, owner: str, time: datetime
) -> AsyncGenerator[dict[str, Session], None]:
    """Yield an owner's sessions that may have been live at a time, or all that existed then.

    As they stand now, newest first, some at a time.
    """
    # Materialised: the few who lived then are found by their index, whatever the order asked for.
    lived = "select * from session.session where life @> $5::timestamp"
    query = (
        f"with lived as materialized ({lived}) "
        f"select created, number, key, state from {'session.session' if request.all else 'lived'} "
        f"where created <= $5::timestamp and {_WANTED} and (created, number, key) < ($6, $7, $8) "
        f"order by created desc, number desc, key desc limit {_PAGE}"
    )
    then = time.astimezone(UTC).replace(tzinfo=None)
    asked = (*_asked(request, owner), then)
    last: tuple[object, ...] = (then + timedelta(microseconds=1), 0, "")
    while rows := await view.pool.fetch(query, *asked, *last):
        yield {row["key"]: Session.FromString(row["state"]) for row in rows}
        last = tuple(rows[-1])[:3]


async def family(view: View, name: str) -> list[Session]:
    """Return the oldest ancestor of a session and all its descendants, oldest first."""
    rows = await view.pool.fetch(
        "with recursive up as ("
        "select key, parent from session.session where key = $1 "
        "union select s.key, s.parent from session.session s join up on s.key = up.parent"
        "), down as ("
        "select key from up where parent = '' "
        "union select s.key from session.session s join down on s.parent = down.key"
        ") select state from session.session join down using (key) order by created, number",
        name,
    )
    return message_rows(rows, Session)


async def live_sessions(view: View) -> list[Session]:
    """Return every session that has not ended."""
    rows = await view.pool.fetch("select state from session.session where live")
    return message_rows(rows, Session)


async def newest_number(view: View, owner: str, dataset: str) -> int:
    """Return the highest number that was ever taken; 0 if none was."""
    found = await view.pool.fetchval(
        "select max(number) from session.session where owner = $1 and dataset = $2",
        owner,
        dataset,
    )
    return int(found or 0)


async def find_request(view: View, owner: str, key: str) -> str | None:
    """Return the session that a request led to, if it did."""
    found: str | None = await view.pool.fetchval(
        "select key from session.session where request_key = $1 and owner = $2", key, owner
    )
    return found
