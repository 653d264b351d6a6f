"""What happens to a session whose runner is gone: it is lost, and goes on if it may."""

from datetime import datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from nsml_protos.session_pb2 import Lost, MemberLost, Session
from nsml_session import gangs, requeue
from nsml_session.state import PLACED, attempt_number, current_attempt


def lose(
    state: Session,
    *,
    attempt: int,
    reason: str,
    last_seen: datetime | None = None,
    rank: int = 0,
    unheard: bool = False,
) -> list[Message]:
    """Note that a runner of an attempt is gone, and that nothing of it runs.

    Of a gang also that one is not heard, of which nobody knows what runs.
    """
    if attempt != attempt_number(state) or state.status not in PLACED:
        return []
    seen = _last_seen(state, last_seen)
    if gangs.is_gang(state):
        member = MemberLost(
            attempt=attempt, rank=rank, reason=reason, last_seen=seen, gone=not unheard
        )
        return gangs.lose(state, member)
    if unheard:
        return []
    if state.stop_reason:
        return requeue.stopped(state, attempt)
    return requeue.after_loss(state, Lost(attempt=attempt, reason=reason, last_seen=seen))


def _last_seen(state: Session, heard: datetime | None) -> Timestamp:
    """Return when the runner was last heard: not before its code began, or it was placed."""
    attempt = current_attempt(state)
    began = attempt.started if attempt.HasField("started") else attempt.placed
    seen = Timestamp()
    if heard is not None:
        seen.FromDatetime(heard)
    return max(seen, began, key=Timestamp.ToNanoseconds)
