"""Tables of a view.

Which rows follow from a state or from an entry, and how they are written in bulk.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from asyncpg import Range
from google.protobuf.message import Message

from nsml_core.decider import Aggregate
from nsml_core.entry import Recorded
from nsml_core.store import Version

S = TypeVar("S", bound=Message)

Connection = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Its SQL type, and its value by the state or entry that the row stands for.
    """

    type: str
    value: Callable[[Any], object]


@dataclass(frozen=True)
class StateTable(Generic[S]):
    """One row for each aggregate: key, sequence, hash and state, and columns to search by.

    A row whose state is not to be kept is deleted.
    """

    name: str
    aggregate: Aggregate[S]
    columns: Mapping[str, Column] = field(default_factory=dict)
    keep: Callable[[S], bool] = lambda _: True
    indexes: Sequence[str] = ()
    """The columns of each; what begins with `using` names the kind of index too."""

    def bare(self, schema: str) -> str:
        """Return the statement that makes the table without any index: it is filled sooner."""
        extra = "".join(f", {name} {column.type}" for name, column in self.columns.items())
        return (
            f"create table {schema}.{self.name} (key text, sequence bigint not null, "
            f"hash bytea not null, state bytea not null{extra})"
        )

    def keys(self, schema: str) -> list[str]:
        """Return the statements that make its indexes."""
        return _keys(f"{schema}.{self.name}", "key", self.indexes)

    async def load(
        self, connection: Any, schema: str, keys: Sequence[str]
    ) -> dict[str, Version[S]]:
        """Return the versions that the table holds of these aggregates."""
        rows = await connection.fetch(
            f"select key, sequence, hash, state from {schema}.{self.name} "
            "where key = any($1::text[])",
            list(keys),
        )
        return {
            row["key"]: Version(
                self.aggregate.state.FromString(row["state"]), row["sequence"], row["hash"]
            )
            for row in rows
        }

    def row(self, key: str, version: Version[S]) -> "Row":
        """Return the row of an aggregate."""
        state = version.state.SerializeToString(deterministic=True)
        searched = (column.value(version.state) for column in self.columns.values())
        return (key, version.sequence, version.hash, state, *searched)

    async def copy(self, connection: Any, schema: str, rows: "Iterable[Row]") -> None:
        """Fill the empty table."""
        columns = ["key", "sequence", "hash", "state", *self.columns]
        await _copy(connection, schema, self.name, columns, rows)

    async def write(self, connection: Any, schema: str, versions: Mapping[str, Version[S]]) -> None:
        """Put the rows of these aggregates in place of the ones there."""
        kept = {key: version for key, version in versions.items() if self.keep(version.state)}
        gone = [key for key in versions if key not in kept]
        if gone:
            await connection.execute(
                f"delete from {schema}.{self.name} where key = any($1::text[])", gone
            )
        if kept:
            rows = [self.row(key, version) for key, version in kept.items()]
            await connection.execute(self._upsert(schema), *zip(*rows, strict=True))

    def _upsert(self, schema: str) -> str:
        types = {"key": "text", "sequence": "bigint", "hash": "bytea", "state": "bytea"}
        types |= {name: column.type for name, column in self.columns.items()}
        names = ", ".join(types)
        arrays = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(types.values(), 1))
        updates = ", ".join(f"{name} = excluded.{name}" for name in types if name != "key")
        return (
            f"insert into {schema}.{self.name} as t ({names}) select * from unnest({arrays}) "
            f"on conflict (key) do update set {updates} where t.sequence < excluded.sequence"
        )


Row = tuple[object, ...]


@dataclass(frozen=True)
class EventTable:
    """Rows that follow from single entries of the view's own service and never change."""

    name: str
    columns: Mapping[str, str]
    key: str
    rows: Callable[[Recorded], Iterable[Row]]
    indexes: Sequence[str] = ()
    kinds: frozenset[type] = frozenset()
    """The events that rows follow from; none named: all."""

    def bare(self, schema: str) -> str:
        """Return the statement that makes the table without any index: it is filled sooner."""
        columns = ", ".join(f"{name} {kind}" for name, kind in self.columns.items())
        return f"create table {schema}.{self.name} ({columns})"

    def keys(self, schema: str) -> list[str]:
        """Return the statements that make its indexes."""
        return _keys(f"{schema}.{self.name}", self.key, self.indexes)

    async def copy(self, connection: Any, schema: str, rows: Sequence[Row]) -> None:
        """Add rows."""
        if rows:
            await _copy(connection, schema, self.name, list(self.columns), rows)

    async def write(self, connection: Any, schema: str, entries: Iterable[Recorded]) -> None:
        """Add the rows of these entries."""
        await self.copy(connection, schema, [row for entry in entries for row in self.rows(entry)])


def _keys(table: str, key: str, indexes: Iterable[str]) -> list[str]:
    made = (f"create index on {table} {_indexed(index)}" for index in indexes)
    return [f"alter table {table} add primary key ({key})", *made]


def _indexed(index: str) -> str:
    return index if index.startswith("using ") else f"({index})"


async def _copy(
    connection: Any, schema: str, table: str, columns: list[str], rows: Iterable[Row]
) -> None:
    await connection.copy_records_to_table(table, schema_name=schema, columns=columns, records=rows)


def archive_table() -> EventTable:
    """Return the table that holds a second copy of a service's own entries, byte for byte."""

    def rows(entry: Recorded) -> Iterable[Row]:
        yield (entry.sequence, entry.subject, entry.hash, entry.record.data)

    return EventTable(
        "archive",
        {"sequence": "bigint", "subject": "text", "hash": "bytea", "data": "bytea"},
        "sequence",
        rows,
        indexes=("subject, sequence",),
    )


def span(start: datetime, end: datetime | None) -> object:
    """Return the value of a column of type `tsrange`; empty if the clock was set back meanwhile."""
    return Range(start, end if end is None else max(start, end))


def like(pattern: str) -> str:
    """Return a shell pattern, with `*` and `?`, as SQL's."""
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%").replace("?", "_")


def message_rows(rows: Sequence[Any], kind: type[Message]) -> list[Any]:
    """Return the states that rows of a state table hold."""
    return [kind.FromString(row["state"]) for row in rows]
