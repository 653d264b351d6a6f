"""Sessions as people ask for them: requested, placed, stopped, removed, kept."""

import pytest

from nsml_core.errors import AlreadyExists, Error, Invalid, NotFound, Refused
from nsml_protos import session_pb2 as pb
from nsml_protos.session_pb2 import (
    CheckpointRemoved,
    MemoChanged,
    Removed,
    Session,
    Spec,
    Status,
    Stopped,
    Waiting,
)
from nsml_session import checkpoints, decide
from nsml_session.state import SESSION
from tests.deciders.given import Decision, Given, given
from tests.deciders.sessions import (
    ENDINGS,
    PLACED,
    REQUESTED,
    STOP,
    allocated,
    forget,
    place,
    queued,
    request,
    running,
    saved,
    stop,
    wait,
)


def test_a_request_takes_a_number_that_nobody_has() -> None:
    given(SESSION).when(request()).then_once(REQUESTED)
    queued().when(request(key="another")).refused(AlreadyExists, "is taken")
    queued().when(request(key="")).refused(AlreadyExists, "is taken")
    ended = running(ENDINGS[0], Removed())
    ended.when(request(key="another")).refused(AlreadyExists, "is taken")


@pytest.mark.parametrize(
    ("decision", "match"),
    [
        (request(Spec(code_tree="c", entry="")), "not a file inside"),
        (request(Spec(code_tree="c", entry="/etc/passwd")), "not a file inside"),
        (request(Spec(code_tree="c", entry="a/../../b.py")), "not a file inside"),
        (request(Spec(entry="main.py")), "no code"),
        (request(Spec(code_tree="c", entry="m", args=["x" * 100_001])), "at most 100000"),
        (request(Spec(code_tree="c", entry="m", args=["a\0b"])), "NUL"),
        (request(Spec(code_tree="c", entry="m", env={"A": "\0"})), "NUL"),
        (request(Spec(code_tree="c", entry="m", env={"": "1"})), "variable's name"),
        (request(Spec(code_tree="c", entry="m", env={"A=B": "1"})), "variable's name"),
        (
            request(
                Spec(code_tree="c", entry="m", no_network=True, resources=pb.Resources(nodes=2))
            ),
            "leave out --no-network",
        ),
        (
            request(Spec(code_tree="c", entry="m", datasets=[pb.Mount(dataset="a")] * 2)),
            "named twice",
        ),
        (request(memo="x" * 501), "at most 500"),
        (request(key="x" * 101), "key has at most 100"),
        (request(key="a\0"), "printable"),
        (request(key="ключ"), "printable"),
    ],
)
def test_what_could_never_run(decision: Decision[Session], match: str) -> None:
    given(SESSION).when(decision).refused(Invalid, match)


def test_a_reason_to_wait_is_told_when_it_changes() -> None:
    queued().when(wait("no room")).then_once(Waiting(reason="no room"))
    queued(Waiting(reason="no room")).when(wait("no credit")).then_once(Waiting(reason="no credit"))


@pytest.mark.parametrize("state", [given(SESSION), allocated(), running(), running(ENDINGS[0])])
def test_only_who_waits_waits(state: Given[Session]) -> None:
    state.when(wait("no room")).then()


def test_a_session_is_placed_once() -> None:
    after = queued(Waiting(reason="no room")).when(place()).then_once(PLACED)

    assert (after.state.status, after.state.reason) == (Status.ALLOCATED, "")


@pytest.mark.parametrize(
    ("state", "attempt"),
    [
        (given(SESSION), 1),
        (queued(), 0),
        (queued(), 2),
        (allocated(), 2),
        (running(), 2),
        *((running(ending), 1) for ending in ENDINGS),
        *((running(ending), 2) for ending in ENDINGS),
    ],
)
def test_nothing_else_is_placed(state: Given[Session], attempt: int) -> None:
    state.when(place(attempt)).refused(Refused, "does not wait for a place")


def test_who_waits_ends_at_once() -> None:
    queued().when(stop).then_once(STOP, Stopped(reason="enough"))


def test_who_runs_ends_when_the_runner_says_so() -> None:
    for state in (allocated(), running()):
        after = state.when(stop).then_once(STOP)
        assert after.state.stop_reason == "enough"


@pytest.mark.parametrize("state", [given(SESSION), *(running(ending) for ending in ENDINGS)])
def test_what_has_ended_is_not_stopped(state: Given[Session]) -> None:
    state.when(stop).then()


@pytest.mark.parametrize(
    "command", [lambda state: decide.set_memo(state, "late"), forget("10")], ids=["memo", "forget"]
)
def test_nothing_happens_to_a_removed_session(command: Decision[Session]) -> None:
    running(saved(), ENDINGS[0], Removed()).when(command).refused(NotFound, "no session")


def test_an_ended_session_is_removed_once() -> None:
    running(ENDINGS[0]).when(decide.remove).then_once(Removed())


@pytest.mark.parametrize("state", [queued(), allocated(), running()])
def test_a_live_session_is_not_removed(state: Given[Session]) -> None:
    state.when(decide.remove).refused(Refused, "has not ended")


def test_a_memo_changes_once() -> None:
    queued().when(lambda state: decide.set_memo(state, "next")).then_once(MemoChanged(memo="next"))
    queued().when(lambda state: decide.set_memo(state, "first")).then()
    queued().when(lambda state: decide.set_memo(state, "x" * 501)).refused(Invalid, "this one")


def test_a_checkpoint_is_forgotten() -> None:
    begun = running(saved(), saved("11"))
    after = begun.when(forget("10")).then_once(CheckpointRemoved(name="10"))

    assert [kept.name for kept in after.state.checkpoints] == ["11"]
    begun.when(forget("12")).then()


@pytest.mark.parametrize(("name", "found"), [("", "11"), ("10", "10"), ("11", "11")])
def test_a_checkpoint_is_found(name: str, found: str) -> None:
    state = running(saved(), saved("11")).state

    assert checkpoints.find(state, name).name == found


@pytest.mark.parametrize(
    ("state", "name", "error"),
    [(running(), "", NotFound), (running(), "10", NotFound), (running(saved()), "1", NotFound)],
)
def test_a_checkpoint_that_is_not_there(
    state: Given[Session], name: str, error: type[Error]
) -> None:
    with pytest.raises(error, match="no checkpoint"):
        checkpoints.find(state.state, name)
