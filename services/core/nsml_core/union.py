"""What the log and the archives hold together: which entry belongs at each place, and what is lost.

Pure: both are given in the order of the log, place by place, and nothing is read or written here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from google.protobuf.message import DecodeError

from nsml_core.archives import Copy
from nsml_core.entry import Record, digest
from nsml_core.errors import Refused
from nsml_protos.log_pb2 import Entry


@dataclass(frozen=True, slots=True)
class Place:
    """One place in the log: what stands there, and what was copied from there."""

    sequence: int
    logged: Record | None
    copy: Copy | None


@dataclass
class Union:
    """The entries that can be had, from the first on until one is missing."""

    positions: Mapping[str, int]
    """How far each service's archive should reach."""

    last: int = 0
    """The end of the unbroken beginning."""

    size: int = 0
    """Its entries' bytes."""

    beyond: int = 0
    """Entries after a gap: where they belong is known, but not what came before them."""

    newest: int = 0
    """The newest entry that either of both holds."""

    logged: int = 0
    """Of the unbroken beginning, how many the log holds itself."""

    copied: int = 0
    """How many entries the archives hold."""

    altered: str = ""
    """The first entry that nobody has as it was written, in one sentence."""

    incomplete: dict[str, str] = field(default_factory=dict)
    """Services whose archive has lost or altered a copy of what the log holds: the first, named."""

    _newest: Entry = field(default_factory=Entry)
    _open: bool = True
    _hashes: dict[str, bytes] = field(default_factory=dict)

    @property
    def time(self) -> datetime:
        """When the last entry of the unbroken beginning happened."""
        return self._newest.time.ToDatetime(UTC)

    def take(self, place: Place) -> Record | None:
        """Return the entry that belongs at this place; None if it is lost, or beyond a gap."""
        self.newest = place.sequence
        self.copied += place.copy is not None
        self._open = self._open and place.sequence == self.last + 1
        found = self._choose(place) if self._open else None
        if found:
            self._keep(place, found)
        else:
            self.altered = _altered(place) if self._open else self.altered
            self._open = False
            self.beyond += 1
        return found

    def _choose(self, place: Place) -> Record | None:
        _refuse_two_histories(place)
        for record in _candidates(place):
            entry = as_entry(record)
            if entry and entry.previous == self._hashes.get(record.subject, b""):
                self._newest = entry
                return record
        return None

    def _keep(self, place: Place, record: Record) -> None:
        self.last = place.sequence
        self.size += len(record.data)
        self._hashes[record.subject] = digest(record.data)
        self.logged += place.logged == record
        service = record.subject.split(".")[1]
        if _is_good(place.copy, record) or place.sequence > self.positions.get(service, 0):
            return
        what = "was altered in the archive" if place.copy else "is missing from the archive"
        self.incomplete.setdefault(service, f"{_name(place)} {what}")


def _candidates(place: Place) -> Iterator[Record]:
    """Yield what may belong here: first what two witnesses agree on."""
    copy, logged = place.copy, place.logged
    if copy and copy.is_as_written:
        yield copy.record
    if logged:
        yield logged


def _refuse_two_histories(place: Place) -> None:
    copy, logged = place.copy, place.logged
    if not copy or not logged or not copy.is_as_written or copy.record == logged:
        return
    ours, theirs = as_entry(logged), as_entry(copy.record)
    if ours and theirs and ours.id != theirs.id:
        raise Refused(
            f"The log and the archive tell two histories from entry {place.sequence} on "
            f"({logged.subject} and {copy.record.subject}), so nothing was changed: to trust the "
            "archive, move the folder nats out of the home and restore again; to trust the log, "
            "move the folder postgres and type `nsml up`."
        )


def _altered(place: Place) -> str:
    copy, logged = place.copy, place.logged
    if copy and not copy.is_as_written:
        return f"{_name(place)} was altered in the archive, and the log has no good copy of it"
    held = "the log" if logged else "the archive"
    return f"{_name(place)} in {held} does not follow the one before it on its subject"


def _name(place: Place) -> str:
    record = place.logged or (place.copy.record if place.copy else None)
    return f"Entry {place.sequence} ({record.subject if record else 'unknown'})"


def _is_good(copy: Copy | None, record: Record) -> bool:
    return copy is not None and copy.record == record and copy.is_as_written


def as_entry(record: Record) -> Entry | None:
    """Return the entry in these bytes; None if they are none."""
    try:
        return Entry.FromString(record.data)
    except DecodeError:
        return None
