"""The aggregate that the core's tests use: a person, who may register again as an admin."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

from google.protobuf.message import Message

from nsml_core.committer import Append
from nsml_core.decider import Aggregate
from nsml_core.entry import Context
from nsml_core.tables import Column, StateTable
from nsml_core.views import Schema
from nsml_protos.identity_pb2 import Registered, User


def evolve(state: User, event: Message, time: datetime) -> None:
    """The last registration counts; the first one's time is kept."""
    assert isinstance(event, Registered)
    state.name = event.name
    state.admin = event.admin
    if not state.HasField("registered"):
        state.registered.FromDatetime(time.replace(tzinfo=None))


PEOPLE = Aggregate("identity", User, Registered, evolve)
TABLE = StateTable("person", PEOPLE, {"admin": Column("boolean", lambda user: user.admin)})
SCHEMA = Schema("identity", ("nsml.identity.>",), (TABLE,))


def context() -> Context:
    """A decision taken now."""
    return Context(uuid4().hex, datetime.now(UTC), "user:test")


def registers(name: str, *, admin: bool = False) -> Callable[[User], list[Registered]]:
    """Return what decides that a person of this name registers."""
    return lambda _: [Registered(name=name, admin=admin)]


def append(subject: str, expected: int, data: bytes = b"x") -> Append:
    return Append(subject, data, expected, uuid4().hex)
