"""A view in memory: the product's folding and its promises to reactions, without its database.

What a table of PostgreSQL answers by SQL is answered here by a look at the same folded states.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from nsml_core.entry import Record, Recorded
from nsml_core.store import Version
from nsml_core.tables import StateTable
from nsml_core.views import Schema, View
from tests.simulation.chance import Chance
from tests.simulation.stream import SimulatedLog

T = TypeVar("T")

Rows = dict[str, dict[str, Version[Any]]]

_SNAPSHOTS = 6


@dataclass
class Database:
    """What a service's view has on disk; older states of it may come back when it falls."""

    rows: Rows = field(default_factory=dict)
    position: int = 0
    snapshots: list[tuple[int, Rows]] = field(default_factory=list)

    def keep(self) -> None:
        """Remember the rows as they are; states are never changed in place."""
        copied = {table: dict(rows) for table, rows in self.rows.items()}
        self.snapshots = [*self.snapshots, (self.position, copied)][-_SNAPSHOTS:]

    def rewind(self, chance: Chance) -> None:
        """Go back to some older state, or to nothing at all."""
        self.position, rows = chance.dice.choice([(0, {}), *self.snapshots])
        self.rows = {table: dict(there) for table, there in rows.items()}
        self.snapshots = [one for one in self.snapshots if one[0] <= self.position]


class Table:
    """One table of states, as folding reads and writes it."""

    def __init__(self, table: StateTable[Any], database: Database) -> None:
        self.name = table.name
        self.aggregate = table.aggregate
        self._keep = table.keep
        self._database = database

    @property
    def _rows(self) -> dict[str, Version[Any]]:
        return self._database.rows.setdefault(self.name, {})

    async def load(
        self, connection: Any, schema: str, keys: Sequence[str]
    ) -> dict[str, Version[Any]]:
        return {key: self._rows[key] for key in keys if key in self._rows}

    async def write(self, connection: Any, schema: str, versions: dict[str, Version[Any]]) -> None:
        for key, version in versions.items():
            if self._keep(version.state):
                self._rows[key] = version
            else:
                self._rows.pop(key, None)


class SimulatedView(View):
    """Follows the simulated log, always somewhat behind."""

    def __init__(
        self, schema: Schema, log: SimulatedLog, database: Database, chance: Chance
    ) -> None:
        super().__init__(cast("Any", None), schema, log)
        self.database = database
        self.stream = log.stream
        self._chance = chance
        self._memory = [Table(table, database) for table in schema.states]
        self._stems = tuple(subject.removesuffix(">") for subject in schema.subjects)
        self._news = asyncio.Event()
        self.position = database.position

    async def open(self) -> None:
        """The tables are there."""

    async def catch_up(self) -> None:
        await self._take(self._newer(len(self.stream.entries)))
        self._told = self.position

    async def read(self, query: Callable[[View], Awaitable[T]]) -> T:
        while True:
            found = await query(self)
            if self.position == self.database.position:
                return found
            self._folded.clear()
            self.position = self.database.position
            await self.catch_up()

    async def run(self) -> None:
        self.stream.followers.append(self._heard)
        self._news.set()
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                await asyncio.sleep(self._lag())
                if self.position != self.database.position:  # it fell, and lost its last rows
                    self._folded.clear()
                    self.position = self.database.position
                entries = self._newer(len(self.stream.entries))
                if len(entries) > 1 and self._chance.dice.random() < 0.3:
                    entries = entries[: self._chance.dice.randrange(1, len(entries))]
                    self._news.set()
                await self._take(entries)
                await self._tell([entry for entry in entries if entry.sequence > self._told])
        finally:
            self.stream.followers.remove(self._heard)

    def fall(self) -> None:
        """Let the database fall before it had its last rows on disk, and come back."""
        self.database.rewind(self._chance)
        self._news.set()

    def _heard(self, entry: Recorded) -> None:
        if entry.subject.startswith(self._stems):
            self._news.set()

    def _lag(self) -> float:
        if self._chance.fate() == "late":
            return self._chance.long()
        return 0.02 * self._chance.dice.random()

    def _newer(self, until: int) -> list[Recorded]:
        return [
            entry
            for entry in self.stream.entries[self.position : until]
            if entry.subject.startswith(self._stems)
        ]

    async def _take(self, entries: list[Recorded]) -> None:
        if not entries:
            return
        for table in self._memory:
            await self._folded.apply(None, self.schema.service, cast("Any", table), entries)
        self.position = self.database.position = entries[-1].sequence
        if self._chance.dice.random() < 0.1:
            self.database.keep()

    def snapshots(self, table: StateTable[Any]) -> Callable[[str], Awaitable[Version[Any] | None]]:
        async def find(key: str) -> Version[Any] | None:
            await asyncio.sleep(self._chance.trip())
            return self.database.rows.get(table.name, {}).get(key)

        return find

    def states(self, table: str) -> list[Any]:
        """Return the states of a table's rows; each query has a copy of its own."""
        stored = [version.state for version in self.database.rows.get(table, {}).values()]
        return [type(state).FromString(state.SerializeToString()) for state in stored]

    def archived(self, subjects: Sequence[str], after: int) -> list[Record]:
        """Return the archive's copies of entries, one subject after the other."""
        return [
            entry.record
            for subject in sorted(subjects)
            for entry in self.stream.subjects.get(subject, ())
            if after < entry.sequence <= self.position
        ]
