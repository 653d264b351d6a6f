"""What an entry looks like in the log: encoding, decoding, hashing and the chain."""

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

from blake3 import blake3
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

import nsml_protos
from nsml_core import telemetry
from nsml_core.errors import Damaged
from nsml_protos.log_pb2 import Entry

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Context:
    """What a decision needs from outside, stamped where the command entered.

    Time, ids, who asked.
    """

    entry_id: str
    time: datetime
    actor: str
    request_id: str = ""
    traceparent: str = ""


class Record(NamedTuple):
    """One entry as it stands in the log; a tuple, for a log has millions."""

    sequence: int
    subject: str
    data: bytes

    def decode(self) -> "Recorded":
        """Return the entry with its events unpacked."""
        entry = Entry.FromString(self.data)
        return Recorded(self, entry, [unpack(packed) for packed in entry.events])


@dataclass(slots=True)
class Recorded:
    """An entry of the log, decoded; nobody changes it."""

    record: Record
    entry: Entry
    events: list[Message]
    _hash: bytes = field(default=b"", init=False, repr=False, compare=False)

    @property
    def time(self) -> datetime:
        """When it was decided."""
        stamp = self.entry.time  # its own `ToDatetime` takes five times as long
        return _EPOCH + timedelta(0, stamp.seconds, stamp.nanos // 1000)

    @property
    def hash(self) -> bytes:
        """What the next entry on its subject says of it."""
        if not self._hash:
            self._hash = digest(self.record.data)
        return self._hash

    @property
    def sequence(self) -> int:
        """The entry's place in the one order of the log."""
        return self.record.sequence

    @property
    def subject(self) -> str:
        """The aggregate that it belongs to."""
        return self.record.subject

    @property
    def message(self) -> telemetry.Message:
        """What telemetry says of it."""
        entry = self.entry
        return telemetry.Message(self.subject, entry.id, entry.request_id, entry.traceparent)


def subjects(service: str) -> str:
    """Return what the subjects of a service's own entries begin with."""
    return f"nsml.{service}."


def digest(data: bytes) -> bytes:
    """Return the hash that the next entry on the same subject carries."""
    return blake3(data).digest()


def encode(context: Context, previous: bytes, events: Sequence[Message]) -> bytes:
    """Return one decision as the bytes of an entry."""
    entry = Entry(
        id=context.entry_id,
        actor=context.actor,
        request_id=context.request_id,
        traceparent=context.traceparent,
        previous=previous,
        events=[
            Any(
                type_url=f"/{event.DESCRIPTOR.full_name}",
                value=event.SerializeToString(deterministic=True),
            )
            for event in events
        ],
    )
    entry.time.FromDatetime(context.time.astimezone(UTC).replace(tzinfo=None))
    return entry.SerializeToString(deterministic=True)


def unpack(packed: Any) -> Message:
    """Return the event inside.

    An event of an unknown type stops the reader, for a skipped event is a lie.
    """
    return kind(packed.type_url).FromString(packed.value)


@cache
def kind(type_url: str) -> type[Message]:
    """Return the class of an event."""
    name = type_url.rpartition("/")[2]
    try:
        return _kind(name)
    except KeyError:
        _learn_all()  # it may be of a service that this one follows and has no words for
    try:
        return _kind(name)
    except KeyError:
        raise Damaged(
            f"The log holds an event {name} that this version does not know: upgrade."
        ) from None


def _kind(name: str) -> type[Message]:
    return message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(name))


def _learn_all() -> None:
    """Learn every message of the contract."""
    for found in pkgutil.iter_modules(nsml_protos.__path__):
        if found.name.endswith("_pb2"):
            importlib.import_module(f"{nsml_protos.__name__}.{found.name}")


def check_chain(previous: bytes, entry: Recorded) -> None:
    """Refuse an entry that does not follow the one before it on its subject."""
    if entry.entry.previous != previous:
        raise Damaged(
            f"The chain of {entry.subject} is broken at sequence {entry.sequence}: "
            "`nsml admin log verify` says what was altered."
        )
