"""Tables that do not follow from the log, such as the frames of sessions, in and out of a backup.

They are the schemas that a service keeps beside its view, named `<service>_…`. A table is described
by its columns and keys, and its rows are PostgreSQL's own binary copy, in parts.
"""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from nsml_core.errors import Damaged
from nsml_core.settings import SERVICES

_PART_BYTES = 8 << 20
_WORD = re.compile("[a-z][a-z0-9_]*")
_TYPE = re.compile(r"[a-z][a-z0-9 ]*(\[\])?")

_TABLES = """
select n.nspname as schema, c.relname as name
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname ~ $1 and n.nspname !~ '_again$' order by 1, 2
"""
_COLUMNS = """
select attname as name, format_type(atttypid, atttypmod) as type
from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped order by attnum
"""
_INDEXES = """
select indisprimary as is_key, array(
    select pg_get_indexdef(indexrelid, place, true) from generate_series(1, indnkeyatts) as place
) as columns from pg_index where indrelid = $1::regclass order by indexrelid
"""


@dataclass(frozen=True)
class Table:
    """A table: its place, its columns in order, its key, and what else it is searched by."""

    schema: str
    name: str
    columns: list[tuple[str, str]]
    key: list[str]
    indexes: list[list[str]]

    @property
    def full_name(self) -> str:
        """Its name with its schema's."""
        return f"{self.schema}.{self.name}"

    def to_json(self) -> bytes:
        """Return it as it stands in a backup."""
        return json.dumps(asdict(self), indent=2).encode()

    def ddl(self) -> Iterator[str]:
        """Yield the statements that make it."""
        columns = ", ".join(f"{name} {kind}" for name, kind in self.columns)
        key = f", primary key ({', '.join(self.key)})" if self.key else ""
        yield f"create schema if not exists {self.schema}"
        yield f"create table {self.full_name} ({columns}{key})"
        for index in self.indexes:
            yield f"create index on {self.full_name} ({', '.join(index)})"


def from_json(content: bytes) -> Table:
    """Return a table that a backup describes; nothing else becomes a statement."""
    known = json.loads(content)
    table = Table(**{**known, "columns": [(name, kind) for name, kind in known["columns"]]})
    names = [table.schema, table.name, *table.key, *(name for name, _ in table.columns)]
    words = [*names, *(name for index in table.indexes for name in index)]
    types = [kind for _, kind in table.columns]
    if not all(map(_WORD.fullmatch, words)) or not all(map(_TYPE.fullmatch, types)):
        raise Damaged(f"The backup describes a table {table.full_name!r} that cannot be one.")
    return table


async def find(connection: Any) -> list[Table]:
    """Return the tables that services keep beside their views."""
    pattern = f"^({'|'.join(SERVICES)})_"
    return [
        await _describe(connection, row["schema"], row["name"])
        for row in await connection.fetch(_TABLES, pattern)
    ]


async def size(connection: Any, tables: list[Table]) -> int:
    """Return about how large these are."""
    names = [table.full_name for table in tables]
    return int(
        await connection.fetchval(
            "select coalesce(sum(pg_table_size(name::regclass)), 0) from unnest($1::text[]) name",
            names,
        )
    )


async def _describe(connection: Any, schema: str, name: str) -> Table:
    full_name = f"{schema}.{name}"
    columns = await connection.fetch(_COLUMNS, full_name)
    indexes = await connection.fetch(_INDEXES, full_name)
    return Table(
        schema=schema,
        name=name,
        columns=[(row["name"], row["type"]) for row in columns],
        key=next((list(row["columns"]) for row in indexes if row["is_key"]), []),
        indexes=[list(row["columns"]) for row in indexes if not row["is_key"]],
    )


async def dump(connection: Any, table: Table, add: Callable[[bytes], None]) -> None:
    """Hand out the rows of a table, in parts."""
    waiting = bytearray()

    async def take(piece: bytes) -> None:
        waiting.extend(piece)
        if len(waiting) >= _PART_BYTES:
            add(bytes(waiting))
            waiting.clear()

    await connection.copy_from_table(
        table.name, schema_name=table.schema, output=take, format="binary"
    )
    add(bytes(waiting))


async def load(connection: Any, table: Table, parts: AsyncIterator[bytes]) -> None:
    """Make a table and fill it with the rows in these parts."""
    async with connection.transaction():
        for statement in table.ddl():
            await connection.execute(statement)
        await connection.copy_to_table(
            table.name, schema_name=table.schema, source=parts, format="binary"
        )
