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
from nsml_core.caller import NOBODY, Caller
from nsml_core.entry import Context


@dataclass
class Call:
    """What travels with one request through every service that it touches."""

    caller: Caller = NOBODY
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    traceparent: str = ""
    """W3C trace context; empty while no trace has begun."""

    position: int = 0
    """The newest sequence that this request appended, or saw when it had nothing to append."""

    def context(self) -> Context:
        """Stamp a decision: the edge is the one place where clock and chance are read."""
        return Context(
            uuid.uuid4().hex, datetime.now(UTC), str(self.caller), self.request_id, self.traceparent
        )


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
