"""Where a view stands: a row that moves together with the view's own rows, or not at all."""

from typing import Any

from nsml_core.database import STORED_POSITION, Rewound
from nsml_core.errors import Damaged, Unavailable

# Rows and position go back together, should the server fall before they are on disk.
_MOVE = (
    "update nsml.position set sequence = $2 "
    "from (select set_config('synchronous_commit', 'off', true)) as lazily "
    "where view = $1 and sequence = $3"
)


async def find(connection: Any, view: str) -> tuple[int, int] | None:
    """Return a view's version and the last entry in it; the table is made at the first start."""
    # One at a time: all services share the table.
    await connection.execute("select pg_advisory_xact_lock(hashtext('nsml.position'))")
    await connection.execute("create schema if not exists nsml")
    await connection.execute(
        "create table if not exists nsml.position "
        "(view text primary key, version int not null, sequence bigint not null)"
    )
    row = await connection.fetchrow(
        "select version, sequence from nsml.position where view = $1", view
    )
    return (row["version"], row["sequence"]) if row else None


async def begin(connection: Any, view: str, version: int) -> None:
    """Let a view stand before the first entry."""
    await connection.execute(
        "insert into nsml.position values ($1, $2, 0) "
        "on conflict (view) do update set version = excluded.version, sequence = 0",
        view,
        version,
    )


async def move(connection: Any, view: str, before: int, after: int) -> None:
    """Move a view, unless it does not stand where its keeper believes."""
    if await connection.execute(_MOVE, view, after, before) == "UPDATE 1":
        return
    stored = await connection.fetchval(STORED_POSITION, view)
    if stored is not None and stored < before:
        raise Rewound(f"it has entry {stored}, and had {before}")
    raise Unavailable(f"Another process keeps the view of {view}; this one stops.")


def refuse_a_shorter_log(newest: int, seen: int) -> None:
    """Refuse a log that ends before what was seen of it."""
    if seen > newest:
        raise Damaged(
            f"The views have seen entry {seen}, but the log ends at {newest}: "
            "entries were lost; `nsml admin log restore` brings them back from the archive."
        )
