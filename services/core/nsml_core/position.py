"""Where a view stands: a row that moves together with the view's own rows, or not at all."""

from dataclasses import dataclass
from typing import Any

from nsml_core.database import Rewound
from nsml_core.errors import Damaged, Unavailable

# Rows and position go back together, should the server fall before they are on disk. Who holds the
# row and is not let run any more keeps the replicas of a service waiting for so long.
_MOVE = (
    "update nsml.position set sequence = $2 "
    "from (select set_config('synchronous_commit', 'off', true), "
    "set_config('idle_in_transaction_session_timeout', $5, true)) as lazily "
    "where view = $1 and sequence = $3 and version = $4"
)

_STORED = "select version, sequence from nsml.position where view = $1"


class Overtaken(Exception):
    """Another replica has moved the view already."""

    def __init__(self, view: str, sequence: int) -> None:
        super().__init__(f"the view of {view} stands at {sequence}")
        self.sequence = sequence


@dataclass(frozen=True)
class Step:
    """How a view moves: from where its keeper believes that it stands, to another entry."""

    view: str
    version: int
    before: int
    after: int
    patience_ms: int = 0
    """The server lets nobody hold the row for longer who says nothing; 0: for as long as it is."""


async def find(connection: Any, view: str) -> tuple[int, int] | None:
    """Return a view's version and the last entry in it; the table is made at the first start."""
    # One at a time: all services share the table.
    await connection.execute("select pg_advisory_xact_lock(hashtext('nsml.position'))")
    await connection.execute("create schema if not exists nsml")
    await connection.execute(
        "create table if not exists nsml.position "
        "(view text primary key, version int not null, sequence bigint not null)"
    )
    return await _stored(connection, view)


async def _stored(connection: Any, view: str) -> tuple[int, int] | None:
    row = await connection.fetchrow(_STORED, view)
    return (row["version"], row["sequence"]) if row else None


async def begin(connection: Any, view: str, version: int) -> None:
    """Let a view stand before the first entry."""
    await connection.execute(
        "insert into nsml.position values ($1, $2, 0) "
        "on conflict (view) do update set version = excluded.version, sequence = 0",
        view,
        version,
    )


async def move(connection: Any, step: Step) -> None:
    """Move a view, unless it does not stand where its keeper believes."""
    words = (step.view, step.after, step.before, step.version, str(step.patience_ms))
    if await connection.execute(_MOVE, *words) == "UPDATE 1":
        return
    found = await _stored(connection, step.view)
    if found is None:
        raise Unavailable(f"Another process has taken the view of {step.view} away.")
    version, stored = found
    if version != step.version:
        raise Unavailable(
            f"Version {version} of the view of {step.view} is kept now, and not {step.version}: "
            "this process stops."
        )
    if stored < step.before:
        raise Rewound(f"it has entry {stored}, and had {step.before}")
    raise Overtaken(step.view, stored)


def refuse_a_shorter_log(newest: int, seen: int) -> None:
    """Refuse a log that ends before what was seen of it."""
    if seen > newest:
        raise Damaged(
            f"The views have seen entry {seen}, but the log ends at {newest}: "
            "entries were lost; `nsml admin log restore` brings them back from the archive."
        )
