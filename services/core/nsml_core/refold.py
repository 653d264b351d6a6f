"""A view folded from the first entry on: states in memory, rows copied into tables without indexes.

Folding as one follows takes a query and an upsert for each batch, and keeps every index; this takes
a tenth of the time.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nsml_core.entry import Record, Recorded, check_chain, kind, subjects, unpack
from nsml_core.folded import key_of
from nsml_core.store import Version
from nsml_core.tables import EventTable, Row, StateTable
from nsml_core.view_tables import ViewTables
from nsml_protos.log_pb2 import Entry

_HOT = 20_000
"""States kept as messages; of all others there is the row, a tenth of that in memory."""

_ROWS = 20_000
"""Rows of one table that are copied at once."""

_TURN = 200
"""Entries that are folded before others in this process get their turn."""


class Refold:
    """Everything that follows from the entries so far and is not in the tables yet."""

    def __init__(
        self, service: str, states: Sequence[StateTable[Any]], events: Sequence[EventTable]
    ) -> None:
        self._own = subjects(service)
        self._states = [_States(table) for table in states]
        self._rows: list[tuple[EventTable, list[Row]]] = [(table, []) for table in events]
        self._hashes: dict[str, bytes] = {}  # of the last entry of each subject
        self._uses: dict[str | tuple[str, ...], _Use] = {}  # by the kinds of an entry's events

    async def whole(
        self, connection: Any, tables: ViewTables, batches: AsyncGenerator[Sequence[Record], None]
    ) -> None:
        """Make the tables, bare at first, and fill them with all that the batches bring."""
        await tables.make_bare(connection)
        async with contextlib.aclosing(batches):
            async for batch in batches:
                await self.take(connection, tables.schema, batch)
        await self.finish(connection, tables.schema)
        await tables.index(connection)
        await tables.analyze(connection)

    async def take(self, connection: Any, schema: str, records: Sequence[Record]) -> None:
        """Fold entries, in their order."""
        for at in range(0, len(records), _TURN):
            for record in records[at : at + _TURN]:
                self._fold(record)
            await asyncio.sleep(0)
        await self._copy_rows(connection, schema, _ROWS)

    def _fold(self, record: Record) -> None:
        packed = Entry.FromString(record.data)
        sealed = list(packed.events)  # each look into the message makes new objects
        use = self._use([event.type_url for event in sealed])
        is_own = record.subject.startswith(self._own)
        if not is_own and not use.states:
            return
        entry = Recorded(record, packed, [unpack(event) for event in sealed])
        if use.states:
            key, time = key_of(entry), entry.time
            for states in use.states:
                states.fold(key, entry, time)
        if is_own:
            check_chain(self._hashes.get(record.subject, b""), entry)
            self._hashes[record.subject] = entry.hash
            for table, rows in use.rows:
                rows.extend(table.rows(entry))

    def _use(self, type_urls: list[str]) -> "_Use":
        # Most entries have one event.
        looked_up = type_urls[0] if len(type_urls) == 1 else tuple(type_urls)
        use = self._uses.get(looked_up)
        if use is None:
            kinds = set(map(kind, type_urls))
            states = [states for states in self._states if states.kinds & kinds]
            rows = [pair for pair in self._rows if not pair[0].kinds or pair[0].kinds & kinds]
            use = self._uses[looked_up] = _Use(states, rows)
        return use

    async def _copy_rows(self, connection: Any, schema: str, least: int) -> None:
        for table, rows in self._rows:
            if len(rows) >= least:
                await table.copy(connection, schema, rows)
                rows.clear()

    async def finish(self, connection: Any, schema: str) -> None:
        """Copy what is left, and the states."""
        await self._copy_rows(connection, schema, 0)
        for states in self._states:
            await states.table.copy(connection, schema, states.rows())


@dataclass(frozen=True, slots=True)
class _Use:
    """What follows from entries with the same kinds of events; rows only from the service's own."""

    states: "list[_States]"
    rows: list[tuple[EventTable, list[Row]]]


@dataclass(slots=True)
class _One:
    """An aggregate: its state, and the last entry that changed it."""

    state: Any
    entry: Recorded


class _States:
    """The states of one table, by key: those of late as messages, the others as rows."""

    def __init__(self, table: StateTable[Any]) -> None:
        self.table = table
        self.kinds = table.aggregate.kinds
        self._evolve = table.aggregate.evolve
        self._hot: OrderedDict[str, _One] = OrderedDict()
        self._cold: dict[str, Row] = {}

    def fold(self, key: str, entry: Recorded, time: datetime) -> None:
        """Apply an entry's events."""
        one = self._find(key, entry)
        for event in entry.events:
            if type(event) in self.kinds:
                self._evolve(one.state, event, time)
        one.entry = entry
        if len(self._hot) > _HOT:
            self._cold.update(self._cooled([self._hot.popitem(last=False)]))

    def _find(self, key: str, entry: Recorded) -> _One:
        one = self._hot.get(key)
        if one is None:
            row: Any = self._cold.pop(key, None)
            kind = self.table.aggregate.state
            one = self._hot[key] = _One(kind.FromString(row[3]) if row else kind(), entry)
        else:
            self._hot.move_to_end(key)
        return one

    def rows(self) -> Iterator[Row]:
        """Yield the rows of all states; they are gone from here then."""
        yield from self._cold.values()
        self._cold.clear()
        yield from dict(self._cooled(self._hot.items())).values()
        self._hot.clear()

    def _cooled(self, items: Iterable[tuple[str, _One]]) -> Iterator[tuple[str, Row]]:
        for key, one in items:
            if self.table.keep(one.state):
                version = Version(one.state, one.entry.sequence, one.entry.hash)
                yield key, self.table.row(key, version)
