"""What is true of a session, and how each event changes it."""

from datetime import datetime
from typing import assert_never

from nsml_core.decider import Aggregate, stamp
from nsml_protos.session_pb2 import (
    Attempt,
    BecameZombie,
    Checkpoint,
    CheckpointRemoved,
    CheckpointSaved,
    Completed,
    Entered,
    Evaluated,
    Failed,
    GangMember,
    Lost,
    MemberEnded,
    MemberLost,
    MemberReady,
    MemoChanged,
    Notified,
    Outcome,
    Placed,
    Preempted,
    Removed,
    Requested,
    Resumed,
    Session,
    Started,
    Status,
    Stopped,
    StopRequested,
    Waiting,
    WokeUp,
)

Event = (
    Requested
    | Resumed
    | Waiting
    | Placed
    | Started
    | MemberReady
    | MemberEnded
    | MemberLost
    | CheckpointSaved
    | CheckpointRemoved
    | StopRequested
    | Completed
    | Failed
    | Stopped
    | Lost
    | Preempted
    | BecameZombie
    | WokeUp
    | Notified
    | MemoChanged
    | Evaluated
    | Entered
    | Removed
)

LIVE = (Status.QUEUED, Status.ALLOCATED, Status.RUNNING)
PLACED = (Status.ALLOCATED, Status.RUNNING)


def evolve(state: Session, event: Event, time: datetime) -> None:
    """Apply one event."""
    match event:
        case Requested():
            _requested(state, event, time)
        case Resumed():
            _resumed(state, event)
        case Waiting():
            state.reason = event.reason
        case Placed():
            _placed(state, event, time)
        case Started():
            _started(state, event, time)
        case MemberReady() | MemberEnded() | MemberLost():
            _member(state, event, time)
        case CheckpointSaved():
            _saved(state, event.checkpoint, time)
        case CheckpointRemoved():
            _forget_checkpoint(state, event.name)
        case StopRequested():
            state.stop_reason = event.reason
            state.stop_actor = event.actor
            state.requeue = event.requeue
        case Completed() | Failed() | Stopped() | Lost() | Preempted():
            _ended(state, event, time)
        case BecameZombie():
            state.zombie_since.CopyFrom(event.since)
            state.reason = event.reason
        case WokeUp():
            state.ClearField("zombie_since")
            state.ClearField("reason")
        case Notified() | Evaluated() | Entered():
            pass  # of who did something beside it, not of the session
        case MemoChanged():
            state.memo = event.memo
        case Removed():
            state.removed = True
        case _:
            assert_never(event)


def _requested(state: Session, event: Requested, time: datetime) -> None:
    state.name = event.name
    state.owner = event.owner
    state.status = Status.QUEUED
    state.spec.CopyFrom(event.spec)
    state.memo = event.memo
    state.request_key = event.request_key
    stamp(state.created, time)
    if event.HasField("parent"):
        state.parent.CopyFrom(event.parent)
    if event.HasField("start"):
        state.start.CopyFrom(event.start)


def _resumed(state: Session, event: Resumed) -> None:
    state.status = Status.QUEUED
    state.reason = ""
    if event.preempted:
        state.preemptions += 1
    elif event.by_itself:
        state.restarts += 1
    else:
        if state.resume_key:
            state.earlier_resume_keys.append(state.resume_key)
        state.resume_key = event.request_key
    state.new_environment = event.new_environment
    state.unplaced = event.attempt - attempt_number(state)
    for ending in ("ended", "outcome", "stop_reason", "stop_actor", "requeue", "start"):
        state.ClearField(ending)
    if event.HasField("start"):
        state.start.CopyFrom(event.start)


def _placed(state: Session, event: Placed, time: datetime) -> None:
    state.status = Status.ALLOCATED
    state.reason = ""
    state.unplaced = 0
    attempt = state.attempts.add(number=event.attempt, node=event.node)
    attempt.devices.extend(event.devices)
    attempt.members.extend(event.members)
    stamp(attempt.placed, time)


def _member(state: Session, event: MemberReady | MemberEnded | MemberLost, time: datetime) -> None:
    attempt = current_attempt(state)
    member = attempt.members[event.rank]
    match event:
        case MemberReady():
            member.address = event.address
            member.ports.extend(event.ports)
            stamp(member.ready, time)
            if not event.rank:
                _environment(attempt, event)
        case MemberEnded():
            member.outcome.CopyFrom(event.outcome)
            member.stopped = event.stopped
            stamp(member.ended, time)
            if not event.stopped and not ended_well(event.outcome):
                _fall(attempt, member)
        case MemberLost():
            member.lost = event.reason
            member.last_seen.CopyFrom(event.last_seen)
            if event.gone:
                stamp(member.ended, time)
            _fall(attempt, member)
        case _:
            assert_never(event)


def _fall(attempt: Attempt, member: GangMember) -> None:
    """Note in which order members fell: the first has the others stopped."""
    if not member.fell:
        member.fell = 1 + max(one.fell for one in attempt.members)


def ended_well(outcome: Outcome) -> bool:
    """Return whether user code did what it was to do, as far as it tells."""
    return outcome.HasField("exit_code") and outcome.exit_code == 0 and not outcome.message


def _environment(attempt: Attempt, told: MemberReady | Started) -> None:
    attempt.environment = told.environment
    attempt.packages[:] = told.packages
    attempt.python = told.python


def _started(state: Session, event: Started, time: datetime) -> None:
    state.status = Status.RUNNING
    attempt = current_attempt(state)
    stamp(attempt.started, time)
    _environment(attempt, event)
    state.new_environment = False


def _saved(state: Session, checkpoint: Checkpoint, time: datetime) -> None:
    _forget_checkpoint(state, checkpoint.name)
    saved = state.checkpoints.add()
    saved.CopyFrom(checkpoint)
    stamp(saved.saved, time)
    if saved.number:
        current_attempt(state).last_save = saved.number


Ending = Completed | Failed | Stopped | Lost | Preempted


def _ended(state: Session, event: Ending, time: datetime) -> None:
    match event:
        case Completed():
            _end(state, Status.EXITED, "", event.outcome, time)
        case Failed():
            _end(state, Status.FAILED, event.outcome.message, event.outcome, time)
        case Stopped() | Preempted():
            _end(state, Status.STOPPED, event.reason, event.outcome, time)
        case Lost():
            _lost(state, event, time)
        case _:
            assert_never(event)


def _end(
    state: Session, status: Status.ValueType, reason: str, outcome: Outcome, time: datetime
) -> None:
    state.status = status
    state.reason = reason
    state.outcome.CopyFrom(outcome)
    state.ClearField("zombie_since")
    stamp(state.ended, time)
    if state.attempts and not current_attempt(state).HasField("ended"):
        stamp(current_attempt(state).ended, time)


def _lost(state: Session, event: Lost, time: datetime) -> None:
    _end(state, Status.LOST, event.reason, Outcome(), time)
    if state.attempts and event.HasField("last_seen"):
        current_attempt(state).last_seen.CopyFrom(event.last_seen)


def _forget_checkpoint(state: Session, name: str) -> None:
    for at, checkpoint in enumerate(state.checkpoints):
        if checkpoint.name == name:
            del state.checkpoints[at]
            return


def current_attempt(state: Session) -> Attempt:
    """Return the attempt that may speak for the session."""
    return state.attempts[-1]


def attempt_number(state: Session) -> int:
    """Return the number of the current attempt; 0 before the first."""
    return current_attempt(state).number if state.attempts else 0


def next_number(state: Session) -> int:
    """Return the number of the attempt that waits: none is given twice, also without a place."""
    return attempt_number(state) + state.unplaced + 1


def last_number(state: Session) -> int:
    """Return the number of the attempt that was the last to end, or to be stopped in the queue."""
    placed = state.attempts and current_attempt(state).ended == state.ended
    in_queue = state.status == Status.STOPPED and not placed
    return next_number(state) if in_queue else attempt_number(state)


SESSION = Aggregate("session", Session, Event, evolve)
