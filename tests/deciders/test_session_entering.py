"""When a session may be reached into, and what the log keeps of it."""

import pytest

from nsml_core.errors import Invalid, Refused
from nsml_protos.session_pb2 import Entered, Evaluated, Session
from nsml_session import entering
from tests.deciders.given import Decision, Given
from tests.deciders.sessions import ENDINGS, allocated, queued, resumed, running


def evaluate(code: str, *, now: bool = False) -> Decision[Session]:
    return lambda state: entering.evaluate(state, code=code, now=now)


def enter(*command: str, terminal: bool = False) -> Decision[Session]:
    return lambda state: entering.enter(state, command=command, terminal=terminal)


def test_each_use_is_told_and_changes_nothing() -> None:
    before = running()
    after = before.when(evaluate("loss", now=True)).then(
        Evaluated(attempt=1, code="loss", now=True)
    )
    after = after.when(enter(terminal=True)).then(Entered(attempt=1, terminal=True))
    after = after.when(enter("ls", "-l")).then(Entered(attempt=1, command=["ls", "-l"]))

    assert after.state == before.state


@pytest.mark.parametrize("command", [evaluate("1"), enter()])
@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (queued(), r"does not run yet \(Queued\)"),
        (allocated(), r"does not run yet \(Allocated\)"),
        (running(ENDINGS[0], resumed()), r"does not run yet \(Queued\)"),
        (running(ENDINGS[1]), r"has ended \(Failed\)"),
    ],
)
def test_only_what_runs_can_be_entered(
    state: Given[Session], sentence: str, command: Decision[Session]
) -> None:
    state.when(command).refused(Refused, sentence)


def test_the_log_keeps_the_beginning() -> None:
    running().when(evaluate("x" * 5_000)).then(Evaluated(attempt=1, code="x" * 1_000))
    running().when(enter("echo", "x" * 5_000, "y")).then(
        Entered(attempt=1, command=["echo", "x" * 995])
    )


def test_what_is_too_long_is_refused() -> None:
    running().when(evaluate("x" * 70_000)).refused(Invalid, "at most 65,536 characters")
    running().when(enter("x" * 100_001)).refused(Invalid, "at most 100,000 characters")
    running().when(enter("a\0b")).refused(Invalid, "no NUL")
