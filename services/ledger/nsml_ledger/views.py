"""What may be seen of credits."""

from collections.abc import Iterable
from datetime import datetime

from nsml_core.entry import Recorded
from nsml_core.tables import Column, EventTable, Row, StateTable, message_rows
from nsml_core.views import Schema, View
from nsml_ledger.allowance import next_grant
from nsml_ledger.notices import TOPIC
from nsml_ledger.state import BOOK, METER
from nsml_ledger.statement import added_up, statement_line
from nsml_protos.ledger_pb2 import Book, Meter, StatementLine
from nsml_protos.session_pb2 import Notified

BOOKS = StateTable(
    "book",
    BOOK,
    {
        "holds": Column("boolean", lambda book: bool(book.holds)),
        "next_grant": Column("timestamptz", lambda book: next_grant(book.allowance)),
    },
    indexes=("next_grant",),
)
METERS = StateTable(
    "meter", METER, {"live": Column("boolean", lambda meter: not meter.HasField("ended"))}
)


def _lines(entry: Recorded) -> Iterable[Row]:
    if not entry.subject.startswith("nsml.ledger."):
        return
    owner = BOOK.key(entry.subject)
    for number, event in enumerate(entry.events):
        if isinstance(event, Notified):
            continue
        line = statement_line(event)
        line.sequence = entry.sequence
        line.actor = entry.entry.actor
        line.time.CopyFrom(entry.entry.time)
        attempt = f"{line.session}#{line.attempt}" if line.session else None
        yield (entry.sequence, number, owner, attempt, line.SerializeToString())


LINES = EventTable(
    "line",
    {"sequence": "bigint", "number": "int", "owner": "text", "attempt": "text", "line": "bytea"},
    "sequence, number",
    _lines,
    indexes=("owner, sequence",),
)
SCHEMA = Schema(
    "ledger",
    ("nsml.ledger.>", "nsml.session.>"),
    (BOOKS, METERS),
    (LINES, TOPIC.table()),
    version=6,
)


async def statement(view: View, owner: str, limit: int) -> list[StatementLine]:
    """Return the lines of an owner's book, newest first."""
    rows = await view.pool.fetch(
        "select line from ledger.line where owner = $1 "
        "order by sequence desc, number desc limit $2",
        owner,
        limit or None,
    )
    return [StatementLine.FromString(row["line"]) for row in rows]


async def statement_by_attempt(view: View, owner: str, limit: int) -> list[StatementLine]:
    """Return the same with the lines of each attempt added up, the last to change first."""
    rows = await view.pool.fetch(
        "select array_agg(line order by sequence, number) as lines from ledger.line "
        "where owner = $1 group by coalesce(attempt, sequence || '.' || number) "
        "order by max(sequence) desc, max(number) desc limit $2",
        owner,
        limit or None,
    )
    return [added_up([StatementLine.FromString(line) for line in row["lines"]]) for row in rows]


async def live_meters(view: View) -> list[Meter]:
    """Return the meters of all sessions that live."""
    return message_rows(await view.pool.fetch("select state from ledger.meter where live"), Meter)


async def meters_of(view: View, sessions: list[str]) -> dict[str, Meter]:
    """Return the meters of some sessions, by name."""
    rows = await view.pool.fetch("select state from ledger.meter where key = any($1)", sessions)
    return {meter.session: meter for meter in message_rows(rows, Meter)}


async def books_with_holds(view: View) -> list[Book]:
    """Return the books in which credit is set aside."""
    return message_rows(await view.pool.fetch("select state from ledger.book where holds"), Book)


async def owners_due(view: View, now: datetime) -> list[str]:
    """Return whose allowance is due."""
    rows = await view.pool.fetch("select key from ledger.book where next_grant <= $1", now)
    return [row["key"] for row in rows]


async def book_states(view: View) -> dict[str, bytes]:
    """Return the state of every book, by its owner."""
    rows = await view.pool.fetch("select key, state from ledger.book")
    return {row["key"]: row["state"] for row in rows}
