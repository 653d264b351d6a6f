"""Views.

What may be seen, kept in PostgreSQL, folded from the log, never behind by more than a moment.

A batch of entries changes the rows and the view's position in one transaction, so that a view is
always exactly as old as its position says; it can be dropped at any time and folded again from the
log.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

from nsml_core import position, whole
from nsml_core.database import AWAY, STORED_POSITION, Pool, while_it_stands
from nsml_core.entry import Record, Recorded, subjects
from nsml_core.errors import Refused, Unavailable
from nsml_core.folded import Folded
from nsml_core.follow import Follower, until
from nsml_core.log import STREAM, Log
from nsml_core.refold import Refold
from nsml_core.schema import Schema
from nsml_core.store import Version
from nsml_core.tables import StateTable, archive_table
from nsml_core.view_tables import ViewTables, snapshot, stored_state

__all__ = ["Schema", "Seen", "View"]

T = TypeVar("T")

_POSITION_TIMEOUT = 10.0
_AGAIN_SECONDS = 0.2

_PACE_SECONDS = 0.02
"""Between two batches; the first after a silence is taken at once.

What comes closer together shares a transaction, which costs more than all rows of a few entries.
"""

_HELD_MS = 4000
"""So long a replica that is not let run keeps the others from writing."""

_log = logging.getLogger("nsml.views")


Seen = Callable[[list[Recorded]], Awaitable[None]]


class View:
    """The tables of one service, as they are now."""

    def __init__(
        self, pool: Pool, schema: Schema, log: Log, name: str = "", *, is_shared: bool = False
    ) -> None:
        self.is_shared = is_shared
        """Replicas keep it together: each tries to write, and who comes second finds it written."""

        self.pool = pool
        self.schema = schema
        self.log = log
        self.name = name or schema.service
        self.position = 0
        self._told = 0
        self._events = [archive_table(), *schema.events]
        self._rows = ViewTables(self.name, [*schema.states, *self._events])
        self._folded = Folded(schema.service)
        self._moved = asyncio.Condition()
        self._applying = asyncio.Lock()
        self._telling = asyncio.Lock()
        self._is_read = False
        self._seen: list[Seen] = []

    def after(self, seen: Seen) -> None:
        """Call this with each batch of entries once its rows are there: so reactions learn."""
        self._seen.append(seen)

    async def open(self) -> None:
        """Make the tables if they are not there or are of another version; read the position."""
        newest = await self.log.last_sequence()
        async with self.pool.acquire() as connection, connection.transaction():
            version, sequence = await position.find(connection, self.name) or (0, 0)
            # Also a view that is to be dropped: it holds the archive of what was lost.
            position.refuse_a_shorter_log(newest, sequence)
            if self.is_shared and version > self.schema.version:
                raise Refused(f"Newer replicas keep the view of {self.name}: replace this one too.")
            if version != self.schema.version:
                await self._make(connection)
                sequence = 0
        self.position = sequence
        self._told = self.position
        await whole.check_newest(self.log, self.pool, self.name)

    async def _make(self, connection: Any) -> None:
        await self._rows.make_bare(connection)
        await self._rows.index(connection)
        await position.begin(connection, self.name, self.schema.version)

    async def drop(self) -> None:
        """Empty the view; it is folded again from the first entry on."""
        async with self.pool.acquire() as connection, connection.transaction():
            await self._make(connection)
        self._folded.clear()
        self.position = 0

    async def fold_to(self, end: int) -> None:
        """Fold the log up to an entry and no further; nobody is told."""
        if self.position >= end:
            return
        if not self.position:
            await self._fold_first(end)
            return
        async with contextlib.aclosing(self._until(end)) as batches:
            async for batch in batches:
                await self._apply([record.decode() for record in batch])

    async def _fold_first(self, end: int) -> None:
        """Fold the first entries, in one transaction: who falls meanwhile has done nothing."""
        refold = Refold(self.schema.service, self.schema.states, self._events)
        async with self._applying, self.pool.acquire() as connection, connection.transaction():
            await position.move(connection, self._step(0, end))
            await refold.whole(connection, self._rows, self._until(end))
        self.position = end

    def _step(self, before: int, after: int, patience_ms: int = 0) -> position.Step:
        return position.Step(self.name, self.schema.version, before, after, patience_ms)

    def _until(self, end: int) -> AsyncGenerator[Sequence[Record], None]:
        """Read what is newer than this view's position, up to an entry that it follows."""
        return until(self.log.client, STREAM, self.schema.subjects, self.position, end)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Keep the view as it is while the block runs."""
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self._applying)
            if self.is_shared:
                connection = await stack.enter_async_context(self.pool.acquire())
                await stack.enter_async_context(connection.transaction())
                query = f"{STORED_POSITION} for update"
                self._overtaken(await connection.fetchval(query, self.name))
            yield

    @property
    def tables(self) -> list[str]:
        """The names of all tables of this view."""
        return self._rows.names

    async def forget(self, connection: Any) -> None:
        """Take this view away."""
        await self._rows.drop(connection)

    async def take_place_of(self, other: "View", connection: Any) -> None:
        """Become the other view, which stands at the same position; its tables are dropped."""
        await self._rows.take_place_of(other.name, connection)
        other._folded.clear()  # noqa: SLF001 - what it knew of its old tables

    async def catch_up(self) -> None:
        """Fold everything that the log holds now; nobody is told of it."""
        newest = await self.log.newest(self.schema.subjects)
        if self.is_shared:
            await self._find_position()
        while self.position < newest:
            try:
                await self.fold_to(newest)
            except position.Overtaken as error:
                self._overtaken(error.sequence)
            except AWAY as error:
                _log.warning("PostgreSQL is or was away: %s", error)
                await self._find_position()
        await self.log.check_whole(self.position)
        self._told = max(self._told, self.position)

    async def read(self, query: Callable[["View"], Awaitable[T]]) -> T:
        """Return what a query finds, before the log is followed, in rows as new as the position.

        A database that falls then takes rows back of which nobody would be told again.
        """
        while True:
            stored, found = await snapshot(self.pool, self, query)
            if self.is_shared and stored >= self.position:
                # What is read later may hold more already: that is told once more.
                self._told = min(self._told, stored) if self._is_read else stored
                self._is_read = True
                self.position = stored
                return found
            if stored == self.position:
                return found
            await self._find_position()
            await self.catch_up()

    async def watch(self) -> None:
        """End with an error when the log turns out to have lost what was seen of it."""
        await whole.watch(self.log, lambda: self.position)

    async def run(self) -> None:
        """Follow the log for ever; when the database went away, go on with what it holds then."""
        while True:
            try:
                await while_it_stands(self.pool, self._follow())
            except AWAY as error:
                _log.warning("PostgreSQL is or was away: %s", error)
                await self._find_position()

    async def _follow(self) -> None:
        follower = Follower(self.log.client, STREAM, self.schema.subjects)
        start = min(self.position, self._told)
        async with contextlib.aclosing(follower.batches(start)) as batches:
            async for batch in batches:
                began = time.monotonic()
                entries = [record.decode() for record in batch]
                async with self._telling:
                    await self._apply(entries)
                    await self._tell([entry for entry in entries if entry.sequence > self._told])
                await asyncio.sleep(max(0.0, began + _PACE_SECONDS - time.monotonic()))

    @asynccontextmanager
    async def between_batches(self) -> AsyncIterator[int]:
        """Yield up to which entry everybody was told, while nobody is told more."""
        async with self._telling:
            yield self._told

    def _overtaken(self, sequence: int) -> None:
        """Know that another replica has written up to an entry."""
        if not self.is_shared:
            raise Unavailable(f"Another process keeps the view of {self.name}; this one stops.")
        if sequence > self.position:
            self.position = sequence
            self._folded.clear()

    async def _find_position(self) -> None:
        """What was being written may be there or not, and what was written last may be gone."""
        while True:
            try:
                self.position = await self.pool.fetchval(STORED_POSITION, self.name)
            except AWAY:
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                self._folded.clear()
                return

    async def _apply(self, entries: Sequence[Recorded]) -> None:
        while new := [entry for entry in entries if entry.sequence > self.position]:
            try:
                await self._apply_once(new)
            except position.Overtaken as error:
                self._overtaken(error.sequence)

    async def _apply_once(self, entries: Sequence[Recorded]) -> None:
        patience = _HELD_MS if self.is_shared else 0
        async with (
            self._applying,
            self.pool.acquire() as connection,
            connection.transaction(),
        ):
            step = self._step(self.position, entries[-1].sequence, patience)
            await position.move(connection, step)
            for table in self.schema.states:
                await self._folded.apply(connection, self.name, table, entries)
            own = [one for one in entries if one.subject.startswith(subjects(self.schema.service))]
            for events in self._events:
                await events.write(connection, self.name, own)
        self.position = entries[-1].sequence

    async def _tell(self, entries: list[Recorded]) -> None:
        """Each entry is told once, however often its rows had to be written."""
        if entries:
            self._told = entries[-1].sequence
            for seen in self._seen:
                await seen(entries)
        async with self._moved:
            self._moved.notify_all()

    async def see_all(self) -> None:
        """Return once everything can be seen that the log holds now."""
        await self.wait_for(await self.log.newest(self.schema.subjects))

    async def wait_for(self, sequence: int) -> None:
        """Return once every entry up to this one can be seen."""
        if self.position >= sequence:
            return
        try:
            async with asyncio.timeout(_POSITION_TIMEOUT), self._moved:
                await self._moved.wait_for(lambda: self.position >= sequence)
        except TimeoutError:
            raise Unavailable(
                f"The view of {self.schema.service} is behind the log; try again shortly."
            ) from None

    def snapshots(self, table: StateTable[Any]) -> Callable[[str], Awaitable[Version[Any] | None]]:
        """Return a function that finds an aggregate's folded state in a table of this view."""
        return partial(stored_state, self.pool, self.name, table)
