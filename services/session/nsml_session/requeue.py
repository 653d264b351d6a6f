"""How a live session comes into the queue again: its room is needed, or its runner was lost."""

from google.protobuf.message import Message

from nsml_core.errors import Refused
from nsml_protos.session_pb2 import (
    Checkpoint,
    Lost,
    Outcome,
    Preempted,
    Resumed,
    Session,
    Status,
    Stopped,
    StopRequested,
)
from nsml_session.state import PLACED, attempt_number, current_attempt, last_number


def preempt(state: Session, *, attempt: int, reason: str, actor: str) -> list[Message]:
    """Ask an attempt to end because its room is needed; one that is ending is left alone."""
    if attempt != attempt_number(state) or state.status not in PLACED:
        raise Refused(f"Attempt {attempt} of {state.name} holds no room.")
    if state.stop_reason:
        return []
    return [StopRequested(reason=reason, actor=actor, requeue=True)]


def stopped(state: Session, attempt: int, outcome: Outcome | None = None) -> list[Message]:
    """Return how an attempt ends that somebody asked to stop, and what follows at once."""
    reason = state.stop_reason or (outcome.message if outcome else "")
    if not state.requeue:
        return [Stopped(attempt=attempt, reason=reason, outcome=outcome)]
    preempted = Preempted(attempt=attempt, reason=reason, outcome=outcome)
    _keep(state, preempted)
    resumed = from_newest(state)
    resumed.preempted = True
    return [preempted, resumed]


def _keep(state: Session, preempted: Preempted) -> None:
    """Say until when its work is kept: its newest checkpoint, or that nothing came after."""
    mine = _saved(state)
    if mine:
        preempted.kept_until.CopyFrom(mine[-1].saved)
    elif state.status == Status.RUNNING:
        preempted.kept_until.CopyFrom(current_attempt(state).started)


def back_to_queue(state: Session) -> Resumed:
    """Return what the queue must know of a session that comes again."""
    return Resumed(
        name=state.name,
        owner=state.owner,
        resources=state.spec.resources,
        attempt=last_number(state),
        priority=state.spec.priority,
        preemptible=state.spec.preemptible,
    )


def from_newest(state: Session) -> Resumed:
    """Return to the queue by itself: from the newest checkpoint, or where the attempt started."""
    resumed = back_to_queue(state)
    resumed.by_itself = True
    mine = _saved(state)
    if mine:
        resumed.start.CopyFrom(mine[-1])
    elif state.HasField("start"):
        resumed.start.CopyFrom(state.start)
    return resumed


def after_loss(state: Session, lost: Lost) -> list[Message]:
    """Return that an attempt was lost, and what follows at once: nothing is owed between.

    A session with restarts left goes on by itself.
    """
    return [lost, from_newest(state)] if state.restarts < state.spec.restarts else [lost]


def _saved(state: Session) -> list[Checkpoint]:
    """Return the checkpoints of the current attempt, oldest first."""
    mine = (saved for saved in state.checkpoints if saved.attempt == attempt_number(state))
    return sorted(mine, key=lambda saved: saved.saved.ToNanoseconds())
