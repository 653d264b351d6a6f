"""The call that is being served.

Who asks, under which request id and trace, and how far the log must have been seen.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from nsml_core import telemetry
from nsml_core.authority import may
from nsml_core.caller import NOBODY, Caller
from nsml_core.entry import Context
from nsml_core.errors import Error, NotPermitted
from nsml_protos.options_pb2 import Need


@dataclass
class Call:
    """What travels with one request through every service that it touches."""

    caller: Caller = NOBODY
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    traceparent: str = ""
    """W3C trace context; empty while no trace has begun."""

    position: int = 0
    """The newest sequence that this request appended, or saw when it had nothing to append."""

    acts_for: str = ""
    """The team that the caller acts for; empty: none but themself."""

    need: "Need.ValueType" = Need.NEED_UNSPECIFIED
    """What the method needs of people."""

    granted: list[tuple["Need.ValueType", str, bool]] = field(default_factory=list)
    """What was allowed in this call: asked again whenever people or teams have changed."""

    @property
    def owner(self) -> str:
        """Whose it is what is made now: a person, or a team."""
        return self.acts_for or self.caller.name

    def may(self, need: "Need.ValueType", owner: str, *, private: bool = True) -> bool:
        """Tell whether the caller may do what needs this, with a thing of this owner."""
        return may(self.caller, need, owner, private=private)

    def sees(self, owner: str, *, private: bool = True) -> bool:
        """Tell whether the caller may know of a thing of this owner."""
        return self.may(Need.SEE, owner, private=private)

    def require(self, owner: str, missing: Error, *, private: bool = True) -> None:
        """Refuse a caller who may not do with a thing of this owner what they ask for.

        For whom it does not exist it is missing, with the words of what is truly not there.
        """
        if not self.sees(owner, private=private):
            raise missing
        need = Need.SEE if self.need == Need.MAKE else self.need  # of what it is made of
        if not self.may(need, owner, private=private):
            raise NotPermitted(_NOT_YOURS[need].format(owner=owner))
        self.granted.append((need, owner, private))

    def context(self) -> Context:
        """Stamp a decision: the edge is the one place where clock and chance are read."""
        return Context(
            uuid.uuid4().hex, datetime.now(UTC), str(self.caller), self.request_id, self.traceparent
        )


_NOT_YOURS = {
    Need.CHANGE: "This belongs to {owner}: it takes a member of theirs to change it; ask them.",
    Need.ENTER: "Only {owner} may enter it: what is typed there runs as their code.",
    Need.MANAGE: "This belongs to {owner}: it takes an owner to do that; ask them.",
}

_KEY_MAX = 100

_current: ContextVar[Call] = ContextVar("nsml_call")


def current() -> Call:
    """Return the call being served; outside of one, a call by nobody."""
    return _current.get(None) or Call()


def entered() -> Call | None:
    """Return the call being served, if there is one."""
    return _current.get(None)


def request_key(given: str) -> str:
    """Return the key of a request: who chose none may still send it again, under the same id."""
    return given or current().request_id[:_KEY_MAX]


def enter(call: Call) -> None:
    """Make this the current call, for this task and those that it starts."""
    _current.set(call)


def note_position(sequence: int) -> None:
    """Remember how far a client must see to read its own write."""
    call = _current.get(None)
    if call is not None:
        call.position = max(call.position, sequence)


@contextmanager
def reaction(name: str, caller: Caller, cause: telemetry.Message) -> Iterator[Call]:
    """Do something about an entry, as a service, and for the request that led to the entry."""
    with telemetry.reacting(name, cause) as span:
        call = Call(caller, cause.request_id or uuid.uuid4().hex, span.traceparent)
        with _inside(call):
            yield call


@contextmanager
def _inside(call: Call) -> Iterator[None]:
    token = _current.set(call)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def step(name: str, attributes: telemetry.Attributes | None = None) -> Iterator[telemetry.Span]:
    """Record a part of the current call; what happens inside belongs to that part."""
    call = current()
    with telemetry.span(name, call.traceparent, attributes or {}) as span:
        inner = replace(call, traceparent=span.traceparent)
        with _inside(inner):
            yield span
        call.position = max(call.position, inner.position)
