"""Reaching into a running session: when, with what, and what is kept of it: pure."""

from collections.abc import Iterable

from google.protobuf.message import Message

from nsml_core.errors import Invalid, Refused
from nsml_protos.gangs import members
from nsml_protos.session_pb2 import Entered, Evaluated, Session, Status
from nsml_session.purposes import check_may_look_in
from nsml_session.state import LIVE, attempt_number, current_attempt

_CODE_MAX = 1 << 16
_COMMAND_MAX = 100_000
_TOLD_MAX = 1_000
"""Characters of the code, or the command, that the log keeps."""


def evaluate(state: Session, *, code: str, now: bool) -> list[Message]:
    """Note that Python is to be evaluated in the session's process."""
    check_runs(state)
    if len(code) > _CODE_MAX:
        raise Invalid(f"Code has at most {_CODE_MAX:,} characters; this has {len(code):,}.")
    return [Evaluated(attempt=attempt_number(state), code=code[:_TOLD_MAX], now=now)]


def enter(state: Session, *, command: Iterable[str], terminal: bool) -> list[Message]:
    """Note that a program is to be started beside the session's process."""
    check_runs(state)
    words = list(command)
    if sum(map(len, words)) > _COMMAND_MAX or any("\0" in word for word in words):
        raise Invalid(f"A command has at most {_COMMAND_MAX:,} characters, and no NUL among them.")
    return [Entered(attempt=attempt_number(state), command=_beginning(words), terminal=terminal)]


def check_runs(state: Session, rank: int = 0) -> None:
    """Refuse unless its code runs: what is typed runs as that code."""
    check_may_look_in(state)
    if state.status == Status.RUNNING:
        _check_rank(state, rank)
        return
    status = Status.Name(state.status).capitalize()
    if state.status in LIVE:
        raise Refused(
            f"{state.name} does not run yet ({status}): `nsml why {state.name}` says why."
        )
    raise Refused(
        f"{state.name} has ended ({status}): `nsml logs {state.name}` shows what it said."
    )


def _check_rank(state: Session, rank: int) -> None:
    room = members(current_attempt(state))
    if rank >= len(room):
        raise Refused(f"{state.name} has no rank {rank}: its last is {len(room) - 1}.")
    if room[rank].HasField("ended"):
        raise Refused(f"Rank {rank} of {state.name} has ended.")


def _beginning(words: Iterable[str]) -> list[str]:
    kept: list[str] = []
    room = _TOLD_MAX
    for word in words:
        if room <= 0:
            break
        kept.append(word[:room])
        room -= len(word) + 1
    return kept
