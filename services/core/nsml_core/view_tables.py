"""The tables of one view in the database: how they come, and go."""

import copy
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar, cast

from nsml_core.database import STORED_POSITION, Pool
from nsml_core.store import Version
from nsml_core.tables import EventTable, StateTable

T = TypeVar("T")
V = TypeVar("V")


class ViewTables:
    """They stand in a schema that bears the view's name."""

    def __init__(self, schema: str, tables: Sequence[StateTable[Any] | EventTable]) -> None:
        self.schema = schema
        self._tables = tables

    @property
    def names(self) -> list[str]:
        """Return what they are called."""
        return [table.name for table in self._tables]

    async def make_bare(self, connection: Any) -> None:
        """Make them, empty and without indexes."""
        await connection.execute(f"drop schema if exists {self.schema} cascade")
        await connection.execute(f"create schema {self.schema}")
        for table in self._tables:
            await connection.execute(table.bare(self.schema))

    async def index(self, connection: Any) -> None:
        """Give them their keys and indexes."""
        for table in self._tables:
            for statement in table.keys(self.schema):
                await connection.execute(statement)

    async def analyze(self, connection: Any) -> None:
        """Let the server look at them: else it does not know for a minute how to find rows best."""
        for table in self.names:
            await connection.execute(f"analyze {self.schema}.{table}")

    async def drop(self, connection: Any) -> None:
        """Take them away."""
        await connection.execute(f"drop schema {self.schema} cascade")
        await connection.execute("delete from nsml.position where view = $1", self.schema)

    async def take_place_of(self, other: str, connection: Any) -> None:
        """Become those of another view, which are dropped."""
        await connection.execute(f"drop schema {other} cascade")
        await connection.execute(f"alter schema {self.schema} rename to {other}")
        await connection.execute("delete from nsml.position where view = $1", self.schema)


async def snapshot(pool: Pool, view: V, query: Callable[[V], Awaitable[T]]) -> tuple[int, T]:
    """Return what a query finds in a view, and the position that its rows have."""
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        then: Any = copy.copy(view)
        then.pool = cast("Pool", connection)  # it has the same methods to read by
        stored: int = await connection.fetchval(STORED_POSITION, then.name)
        return stored, await query(then)


async def stored_state(
    pool: Pool, schema: str, table: StateTable[Any], key: str
) -> Version[Any] | None:
    """Return the folded state of an aggregate as its row holds it."""
    async with pool.acquire() as connection:
        return (await table.load(connection, schema, [key])).get(key)
