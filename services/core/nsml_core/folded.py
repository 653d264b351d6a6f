"""The folded states behind a view's rows: kept, so that a batch need not read them again."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from nsml_core.entry import Recorded, check_chain
from nsml_core.store import Version
from nsml_core.tables import StateTable

_KEPT = 20_000


class Folded:
    """The newest versions of aggregates, by table and key."""

    def __init__(self, service: str) -> None:
        self._own = f"nsml.{service}."
        self._versions: OrderedDict[tuple[str, str], Version[Any]] = OrderedDict()

    def clear(self) -> None:
        """Forget what is kept: the rows may be others now."""
        self._versions.clear()

    async def apply(
        self, connection: Any, schema: str, table: StateTable[Any], entries: Sequence[Recorded]
    ) -> None:
        """Fold entries into the rows of a table."""
        mine = {entry.sequence: events_for(table, entry) for entry in entries}
        entries = [entry for entry in entries if mine[entry.sequence]]
        if not entries:
            return
        versions = await self._load(connection, schema, table, {key_of(e) for e in entries})
        for entry in entries:
            key = key_of(entry)
            before = versions.get(key) or Version(table.aggregate.state())
            if entry.subject.startswith(self._own):  # of others' not every entry is folded
                check_chain(before.hash, entry)
            after = table.aggregate.fold(before.state, mine[entry.sequence])
            versions[key] = Version(after, entry.sequence, entry.hash)
        await table.write(connection, schema, versions)
        self._keep(table, versions)

    async def _load(
        self, connection: Any, schema: str, table: StateTable[Any], keys: set[str]
    ) -> dict[str, Version[Any]]:
        known = {key: self._versions.get((table.name, key)) for key in keys}
        unknown = sorted(key for key, version in known.items() if version is None)
        found = {key: version for key, version in known.items() if version is not None}
        return found | (await table.load(connection, schema, unknown) if unknown else {})

    def _keep(self, table: StateTable[Any], versions: dict[str, Version[Any]]) -> None:
        for key, version in versions.items():
            self._versions[table.name, key] = version
            self._versions.move_to_end((table.name, key))
        while len(self._versions) > _KEPT:
            self._versions.popitem(last=False)


def events_for(table: StateTable[Any], entry: Recorded) -> list[tuple[Any, Any]]:
    """Return what in an entry changes the states of a table, with its time."""
    mine = [event for event in entry.events if type(event) in table.aggregate.kinds]
    if not mine:
        return []
    time = entry.time
    return [(event, time) for event in mine]


def key_of(entry: Recorded) -> str:
    """Return the key of the row that an entry belongs to: its aggregate's, whoever wrote it."""
    return entry.subject.split(".", 2)[2].replace(".", "/")
