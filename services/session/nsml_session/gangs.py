"""Sessions over several nodes: when all of a gang start, and what follows from one that ends."""

from collections.abc import Iterable
from datetime import UTC, datetime

from google.protobuf.message import Message

from nsml_core.errors import Superseded
from nsml_protos.session_pb2 import (
    Completed,
    Failed,
    GangMember,
    Lost,
    MemberEnded,
    MemberLost,
    MemberReady,
    Outcome,
    Session,
    Started,
)
from nsml_session import requeue
from nsml_session.state import SESSION, attempt_number, current_attempt

_WHENEVER = datetime(2000, 1, 1, tzinfo=UTC)
"""What follows from an end does not depend on when it was."""


def is_gang(state: Session) -> bool:
    """Return whether the current attempt runs on several nodes."""
    return bool(state.attempts and current_attempt(state).members)


def see_as(session: Session, rank: int) -> None:
    """Let a session's node and devices be those of one member."""
    attempt = current_attempt(session)
    if attempt.members:
        attempt.node = attempt.members[rank].node
        attempt.devices[:] = attempt.members[rank].devices


def why_it_ends(state: Session) -> str:
    """Return why the runners of a session are to stop what they run; empty if they are not."""
    if state.stop_reason or not is_gang(state):
        return state.stop_reason
    fallen = first_fallen(current_attempt(state).members)
    return told(fallen) if fallen else ""


def first_fallen(members: Iterable[GangMember]) -> GangMember | None:
    """Return the member that failed or was lost before all others; None if all are well."""
    return min((one for one in members if one.fell), key=lambda one: one.fell, default=None)


def told(fallen: GangMember) -> str:
    """Say what happened to a member."""
    return f"rank {fallen.rank} on {fallen.node}: {fallen.lost or fallen.outcome.message}"


def has_ended(state: Session, rank: int) -> bool:
    """Return whether a member of a gang has ended, or was given up for good."""
    members = current_attempt(state).members if state.attempts else ()
    return any(one.rank == rank and one.HasField("ended") for one in members)


def check_rank(state: Session, rank: int) -> None:
    """The fence within a gang: who has ended, or was given up for good, may not speak for it."""
    if rank >= max(len(current_attempt(state).members), 1):
        raise Superseded(f"{state.name} has no rank {rank}.")
    if has_ended(state, rank):
        raise Superseded(f"Rank {rank} of {state.name} has ended.")


def meet(state: Session, ready: MemberReady) -> list[Message]:
    """Note that a member is ready; with the last of them, that all start."""
    attempt = current_attempt(state)
    if attempt.members[ready.rank].HasField("ready") or why_it_ends(state):
        return []
    others = (one for one in attempt.members if one.rank != ready.rank)
    if not all(one.HasField("ready") for one in others):
        return [ready]
    first = attempt if ready.rank else ready
    started = Started(
        attempt=ready.attempt,
        environment=first.environment,
        packages=first.packages,
        python=first.python,
    )
    return [ready, started]


def end(state: Session, ended: MemberEnded) -> list[Message]:
    """Note that a member has ended, and what becomes of the gang once all have."""
    return [ended, *_verdict(SESSION.fold(state, [(ended, _WHENEVER)]))]


def lose(state: Session, lost: MemberLost) -> list[Message]:
    """Note that a member is gone, or is not heard; said again, nothing happens."""
    member = current_attempt(state).members[lost.rank]
    if member.HasField("ended") or (member.lost and not lost.gone):
        return []
    return [lost, *_verdict(SESSION.fold(state, [(lost, _WHENEVER)]))]


def _verdict(after: Session) -> list[Message]:
    """Return how the attempt ends, once all members have.

    What was asked for comes first; then a loss, since those who lose a member fail of that; then
    the first failure.
    """
    members, number = current_attempt(after).members, attempt_number(after)
    if not all(one.HasField("ended") for one in members):
        return []
    fallen = first_fallen(members)
    lost = first_fallen(one for one in members if one.lost)
    if after.stop_reason or not (fallen or lost or _all_well(members)):
        return requeue.stopped(after, number, _outcome(after, None))
    if lost:
        return requeue.after_loss(
            after, Lost(attempt=number, reason=told(lost), last_seen=lost.last_seen)
        )
    if fallen:
        return [Failed(attempt=number, outcome=_outcome(after, fallen))]
    return [Completed(attempt=number, outcome=_outcome(after, None))]


def _all_well(members: Iterable[GangMember]) -> bool:
    return not any(one.stopped for one in members)


def _outcome(after: Session, fallen: GangMember | None) -> Outcome:
    """Return the outcome of the whole: of who fell first, and with the output of rank 0."""
    first = current_attempt(after).members[0]
    outcome = Outcome()
    outcome.CopyFrom((fallen or first).outcome)
    if fallen:
        outcome.message = told(fallen)
    outcome.output_tree = first.outcome.output_tree
    return outcome
