"""What an aggregate is: a message that holds its state, and a function that applies an event to it.

The state is a protobuf message, so that a folded state can be stored beside its position and served
as it is.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from types import UnionType
from typing import Any, Generic, TypeVar, get_args

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from nsml_core.errors import Invalid

S = TypeVar("S", bound=Message)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_SECONDS = 86_400
_KEY = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")

Evolve = Callable[[S, Any, datetime], None]
"""Applies one event, which happened at a time, to the state given: `evolve(state, event, time)`."""


def stamp(field: Timestamp, time: datetime) -> None:
    """Write a time into a state; the field's own `FromDatetime` takes four times as long."""
    since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH
    field.seconds = since.days * _DAY_SECONDS + since.seconds
    field.nanos = since.microseconds * 1000


@dataclass(frozen=True)
class Aggregate(Generic[S]):
    """A kind of aggregate.

    Where it lives, what its state is, which events it has, and how each changes it.
    """

    service: str
    state: type[S]
    events: UnionType | type[Message]
    """All events that change this state; those of its subject that do not are left out by name."""

    evolve: Evolve[S]

    @cached_property
    def kinds(self) -> frozenset[type]:
        """The classes of the events that change this state."""
        return frozenset(get_args(self.events) or (self.events,))

    def subject(self, key: str) -> str:
        """Return the log's subject of one aggregate; `/` in a key separates tokens."""
        if not _KEY.fullmatch(key):  # a wildcard would be the subject of many
            raise Invalid(f"'{key}' is not a name: use letters, digits, - and _.")
        return f"nsml.{self.service}.{key.replace('/', '.')}"

    def key(self, subject: str) -> str:
        """Return the key of the aggregate with this subject."""
        return subject.removeprefix(f"nsml.{self.service}.").replace(".", "/")

    def fold(self, state: S, events: Iterable[tuple[Message, datetime]]) -> S:
        """Return the state after these events; the one given is left as it was."""
        after = self.state()
        after.CopyFrom(state)
        for event, time in events:
            self.evolve(after, event, time)
        return after
