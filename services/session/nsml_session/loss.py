"""What happens to a session whose runner is gone: it is lost, and goes on if it may."""

from datetime import datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from nsml_protos.session_pb2 import Lost, Session
from nsml_session import requeue
from nsml_session.state import PLACED, attempt_number, current_attempt


def lose(
    state: Session, *, attempt: int, reason: str, last_seen: datetime | None = None
) -> list[Message]:
    """Note that the runner of an attempt is gone, and that nothing of it runs.

    A session with restarts left goes on by itself, in the same decision: nothing is owed between.
    """
    if attempt != attempt_number(state) or state.status not in PLACED:
        return []
    if state.stop_reason:
        return requeue.stopped(state, attempt)
    lost = Lost(attempt=attempt, reason=reason, last_seen=_last_seen(state, last_seen))
    return [lost, requeue.from_newest(state)] if state.restarts < state.spec.restarts else [lost]


def _last_seen(state: Session, heard: datetime | None) -> Timestamp:
    """Return when the runner was last heard: not before its code began, or it was placed."""
    attempt = current_attempt(state)
    began = attempt.started if attempt.HasField("started") else attempt.placed
    seen = Timestamp()
    if heard is not None:
        seen.FromDatetime(heard)
    return max(seen, began, key=Timestamp.ToNanoseconds)
