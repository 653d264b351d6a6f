"""The judge of a history: every promise is looked at as entries come, and once all is calm."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from nsml_core.decider import Aggregate
from nsml_core.entry import Recorded
from nsml_core.settings import SERVICES
from nsml_core.store import Version
from nsml_dataset.state import DATASET
from nsml_identity.state import USER
from nsml_ledger.state import BOOK, METER
from nsml_protos.session_pb2 import Frame, Session
from nsml_scheduler.kept import KEPT_BY_SESSIONS, KEPT_DATA
from nsml_scheduler.state import NODE, WORK
from nsml_scheduler.stints import STINTS
from nsml_scheduler.terms import POLICY
from nsml_session.state import SESSION
from tests.faults.checker import check
from tests.faults.history import History, Table
from tests.simulation import rules
from tests.simulation.world import World

_AGGREGATES: tuple[Aggregate[Any], ...] = (
    SESSION,
    WORK,
    METER,
    BOOK,
    DATASET,
    NODE,
    USER,
    STINTS,
    POLICY,
    KEPT_DATA,
    KEPT_BY_SESSIONS,
)


class Judge:
    """Watches one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._folded: dict[tuple[str, str], Any] = {}
        self._found = world.violations

    def hear(self, entry: Recorded) -> None:
        """Fold an entry into every state that follows from it: no fold of a prefix may fail."""
        for aggregate in _of(entry):
            place = (aggregate.state.__name__, entry.subject)
            before = self._folded.get(place) or aggregate.state()
            try:
                self._folded[place] = aggregate.fold(before, _events(aggregate, [entry]))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
                self._found.append(f"fold: {entry.subject}: entry {entry.sequence}: {error!r}")

    def verdict(self) -> list[str]:
        """Return every promise that was not kept."""
        world = self._world
        history = History(
            world.stream.entries,
            world.commands,
            frames=list(self._frames()),
            tables=list(self._tables()),
        )
        history = replace(history, audit=rules.audit(history))
        return [
            *world.loop.faults,
            *self._found,
            *map(str, check(history)),
            *map(str, rules.check(history)),
            *self._folds(),
        ]

    def digest(self) -> str:
        found = hashlib.sha256()
        for entry in self._world.stream.entries:
            found.update(entry.hash)
        return found.hexdigest()

    def _folds(self) -> Iterator[str]:
        """From zero, from any snapshot and one by one: the same state."""
        for subject, entries in self._world.stream.subjects.items():
            for aggregate in _of(entries[0]) if entries else ():
                split = self._world.chance.dice.randrange(len(entries) + 1)
                part = aggregate.fold(aggregate.state(), _events(aggregate, entries[:split]))
                whole = aggregate.fold(part, _events(aggregate, entries[split:]))
                if whole != self._folded.get((aggregate.state.__name__, subject)):
                    yield f"fold: {subject}: {aggregate.state.__name__} depends on how"

    def _frames(self) -> Iterator[Frame]:
        """What runners told, in order; of a removed session it does not matter any more."""
        for (name, _, _), told in self._world.frames.items():
            if not self._folded[Session.__name__, SESSION.subject(name)].removed:
                yield from (told[number][1] for number in sorted(told))

    def _tables(self) -> Iterator[Table]:
        for service in SERVICES:
            view = self._world.views[service]
            for table in view.schema.states:
                stored = {key: version.state for key, version in _rows(view, table.name)}
                subjects = self._world.stream.subjects
                state = table.aggregate.state.__name__
                anew = {
                    subject.split(".", 2)[2].replace(".", "/"): self._folded[state, subject]
                    for subject in subjects
                    if subject.startswith(f"nsml.{table.aggregate.service}.")
                    and (state, subject) in self._folded
                }
                kept = {key: one for key, one in anew.items() if table.keep(one)}
                yield Table(service, table.name, stored == kept)


def _rows(view: Any, table: str) -> list[tuple[str, Version[Any]]]:
    return list(view.database.rows.get(table, {}).items())


def _of(entry: Recorded) -> list[Aggregate[Any]]:
    return [
        aggregate
        for aggregate in _AGGREGATES
        if entry.subject.startswith(f"nsml.{aggregate.service}.")
        if any(isinstance(event, aggregate.events) for event in entry.events)
        or aggregate in (SESSION, BOOK)
    ]


def _events(aggregate: Aggregate[Any], entries: list[Recorded]) -> list[tuple[Any, Any]]:
    return [
        (event, entry.time)
        for entry in entries
        for event in entry.events
        if isinstance(event, aggregate.events)
    ]
