"""What may be asked of a session, and what then happens: one function a command."""

from collections.abc import Iterable, Sequence

from google.protobuf.message import Message

from nsml_core.errors import AlreadyExists, Invalid, NotFound, Refused, Superseded
from nsml_protos.gangs import node_count
from nsml_protos.session_pb2 import (
    Checkpoint,
    CheckpointRemoved,
    CheckpointSaved,
    Completed,
    Failed,
    GangMember,
    MemberEnded,
    MemberReady,
    MemoChanged,
    Notified,
    Outcome,
    Placed,
    Removed,
    Requested,
    Session,
    Started,
    Status,
    Stopped,
    StopRequested,
    Waiting,
)
from nsml_session import checkpoints, gangs, requeue
from nsml_session.specs import check_spec
from nsml_session.state import (
    LIVE,
    PLACED,
    attempt_number,
    current_attempt,
    ended_well,
    next_number,
)

_MEMO_MAX = 500
_KEY_MAX = 100
_CHECKPOINT_NAME_MAX = 200


def request(state: Session, requested: Requested) -> list[Message]:
    """Take a session into the queue under a number that nobody has used, but the same request."""
    if requested.request_key and state.request_key == requested.request_key:
        return []
    if state.name:
        raise AlreadyExists(f"{requested.name} is taken.")
    check_request(requested)
    return [requested]


def check_request(requested: Requested) -> None:
    """Refuse a request that could never run, before it takes a number."""
    check_memo(requested.memo)
    check_key(requested.request_key)
    check_spec(requested.spec)


def resume(
    state: Session,
    *,
    checkpoint: str = "",
    from_start: bool = False,
    new_environment: bool = False,
    key: str = "",
) -> list[Message]:
    """Take an ended session into the queue again, from a checkpoint or from the beginning."""
    check_key(key)
    _check_there(state)
    if key and key in {state.resume_key, *state.earlier_resume_keys}:
        return []
    if state.status in LIVE:
        raise Refused(
            f"{state.name} has not ended: `nsml fork {state.name}` makes another from it."
        )
    resumed = requeue.back_to_queue(state)
    resumed.request_key = key
    resumed.new_environment = new_environment
    if not from_start:
        resumed.start.CopyFrom(_start_of(state, checkpoint))
    return [resumed]


def _start_of(state: Session, checkpoint: str) -> Checkpoint:
    if not checkpoint and not state.checkpoints and not state.HasField("start"):
        raise Refused(f"{state.name} has saved no checkpoint: `--from-start` starts it over.")
    return checkpoints.find(state, checkpoint)


def fork_start(then: Session, checkpoint: str, sequence: int) -> Checkpoint | None:
    """Return the checkpoint that a fork of a session as it was starts from; None without one."""
    if not checkpoint and not then.checkpoints and not then.HasField("start"):
        return None
    try:
        return checkpoints.find(then, checkpoint)
    except NotFound:
        raise NotFound(
            f"{then.name} had no checkpoint {checkpoint} at event {sequence}: "
            f"`nsml show {then.name} --at {sequence}` shows those that it had."
        ) from None


def check_key(key: str) -> None:
    """Refuse a key that is no plain word: it is searched for in tables."""
    if len(key) > _KEY_MAX or not (key.isascii() and key.isprintable()):
        raise Invalid(f"A request's key has at most {_KEY_MAX} printable ASCII characters.")


def wait(state: Session, waiting: Waiting) -> list[Message]:
    """Say why a session waits; the same reason again is no news."""
    if state.status != Status.QUEUED or state.reason == waiting.reason:
        return []
    return [waiting]


def place(
    state: Session, *, attempt: int, room: Sequence[GangMember], because: str = ""
) -> list[Message]:
    """Give a queued session room on as many nodes as it needs."""
    if attempt_number(state) == attempt and state.status in PLACED:
        return []
    if state.status != Status.QUEUED or attempt != next_number(state):
        raise Refused(f"{state.name} does not wait for a place.")
    if len(room) != node_count(state.spec.resources):
        raise Refused(f"{state.name} needs {node_count(state.spec.resources)} nodes, all or none.")
    first, *others = room
    members = room if others else ()
    return [
        Placed(
            attempt=attempt,
            node=first.node,
            devices=first.devices,
            members=members,
            because=because,
        )
    ]


def check_attempt(state: Session, attempt: int, rank: int = 0) -> None:
    """The fence: only the current attempt of a session that lives may speak for it."""
    if attempt != attempt_number(state) or state.status == Status.QUEUED:
        raise Superseded(f"Attempt {attempt} of {state.name} is not the current one any more.")
    if state.status not in LIVE:
        raise Superseded(f"{state.name} has ended: {Status.Name(state.status)}.")
    gangs.check_rank(state, rank)


def meet(state: Session, *, attempt: int, rank: int, ready: MemberReady) -> list[Message]:
    """Note that a member of a gang is ready; with the last of them, that all start."""
    check_attempt(state, attempt, rank)
    if not gangs.is_gang(state):
        raise Refused(f"{state.name} runs on one node: nobody is to be met.")
    said = MemberReady()
    said.CopyFrom(ready)
    said.attempt, said.rank = attempt, rank
    return gangs.meet(state, said)


def start(
    state: Session,
    *,
    attempt: int,
    environment: str,
    rank: int = 0,
    packages: Iterable[str] = (),
    python: str = "",
) -> list[Message]:
    """Note that the user's code starts, and in which environment."""
    check_attempt(state, attempt, rank)
    if gangs.is_gang(state):
        raise Refused(f"{state.name} starts when all of its members are ready.")
    if state.status == Status.RUNNING:
        return []
    return [Started(attempt=attempt, environment=environment, packages=packages, python=python)]


def save_checkpoint(
    state: Session, *, attempt: int, checkpoint: Checkpoint, rank: int = 0
) -> list[Message]:
    """Note a checkpoint whose content is stored.

    One of the same name takes the older one's place, but not when it comes late.
    """
    check_attempt(state, attempt, rank)
    if rank:
        raise Refused("Rank 0 saves the checkpoints of a gang.")
    if state.spec.HasField("purpose"):
        raise Refused(f"{state.name} does not train: it keeps no checkpoints.")
    if not 0 < len(checkpoint.name) <= _CHECKPOINT_NAME_MAX or not checkpoint.name.isprintable():
        raise Invalid(f"A checkpoint's name has 1 to {_CHECKPOINT_NAME_MAX} printable characters.")
    saved = Checkpoint()
    saved.CopyFrom(checkpoint)
    saved.attempt = attempt
    is_late = 0 < saved.number <= current_attempt(state).last_save
    if is_late or any(_same(saved, known) for known in state.checkpoints[-1:]):
        return []
    return [CheckpointSaved(checkpoint=saved)]


def _same(saved: Checkpoint, known: Checkpoint) -> bool:
    return (saved.name, saved.tree, saved.attempt, saved.step) == (
        known.name,
        known.tree,
        known.attempt,
        known.step,
    )


def end(
    state: Session, *, attempt: int, outcome: Outcome, stopped: bool, rank: int = 0
) -> list[Message]:
    """Note how the user's code ended; only the first word counts."""
    is_over = state.status not in LIVE or gangs.has_ended(state, rank)
    if attempt == attempt_number(state) and is_over:
        return []
    check_attempt(state, attempt, rank)
    if gangs.is_gang(state):
        ended = MemberEnded(attempt=attempt, rank=rank, outcome=outcome, stopped=stopped)
        return gangs.end(state, ended)
    if stopped:
        return requeue.stopped(state, attempt, outcome)
    if ended_well(outcome):
        return [Completed(attempt=attempt, outcome=outcome)]
    return [Failed(attempt=attempt, outcome=outcome)]


def notified(state: Session, about: str, channel: str) -> list[Message]:
    """Note that its owner was told of something."""
    return [Notified(about=about, channels=[channel])] if state.name else []


def stop(state: Session, *, reason: str, actor: str) -> list[Message]:
    """Ask a session to end; one that waits ends at once."""
    if state.status not in LIVE or (state.stop_reason and not state.requeue):
        return []
    if state.status == Status.QUEUED:
        return [StopRequested(reason=reason, actor=actor), Stopped(reason=reason)]
    return [StopRequested(reason=reason, actor=actor)]


def remove(state: Session) -> list[Message]:
    """Take an ended session out of sight for good."""
    if state.removed:
        return []
    if state.status in LIVE:
        raise Refused(
            f"{state.name} has not ended: stop it with `nsml stop {state.name}`, "
            f"or do both with `nsml rm -f {state.name}`."
        )
    return [Removed()]


def set_memo(state: Session, memo: str) -> list[Message]:
    """Change the words that a person keeps beside a session."""
    _check_there(state)
    check_memo(memo)
    return [] if state.memo == memo else [MemoChanged(memo=memo)]


def _check_there(state: Session) -> None:
    """Refuse what is asked of a session that was removed: it may have been there a moment ago."""
    if not state.name or state.removed:
        raise NotFound(f"There is no session {state.name}: `nsml ps -a` shows yours.")


def check_memo(memo: str) -> None:
    """Refuse a memo that is longer than a paragraph."""
    if len(memo) > _MEMO_MAX:
        raise Invalid(f"A memo has at most {_MEMO_MAX} characters; this one has {len(memo)}.")


def remove_checkpoint(state: Session, name: str) -> list[Message]:
    """Forget a checkpoint; nothing happens to one that is not there, or not any more."""
    _check_there(state)
    if all(saved.name != name for saved in state.checkpoints):
        return []
    return [CheckpointRemoved(name=name)]
