"""What of a session, and of what happened to it, its readers may see: others' names are left out.

Who waits is told who holds the room, and who makes room for whom; the log keeps the names.
"""

from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import Message

from nsml_core.masks import masked
from nsml_protos.session_pb2 import Preempted, Session, Status, StopRequested, Waiting

M = TypeVar("M", bound=Message)

Sees = Callable[[str], bool]


def shown(state: Session, sees: Sees) -> Session:
    """Return a session as somebody may see it."""
    fields = ("stop_reason", "reason") if state.status == Status.QUEUED else ("stop_reason",)
    said = {name: masked(getattr(state, name), sees) for name in fields}
    if all(getattr(state, name) == words for name, words in said.items()):
        return state
    copy = Session()
    copy.CopyFrom(state)
    for name, words in said.items():
        setattr(copy, name, words)
    return copy


def told(event: M, sees: Sees) -> M:
    """Return an event as somebody may be told of it; the one given may be changed."""
    if isinstance(event, Waiting | StopRequested | Preempted):
        event.reason = masked(event.reason, sees)
    if isinstance(event, Waiting):
        event.holders[:] = [masked(name, sees) for name in event.holders]
    return event
