"""An ended session goes on as another attempt, and the one before has no more to say."""

import pytest

from nsml_core.errors import NotFound, Refused, Superseded
from nsml_protos.session_pb2 import (
    Placed,
    Removed,
    Resumed,
    Status,
    Stopped,
)
from nsml_session.state import SESSION
from tests.deciders.given import given
from tests.deciders.sessions import (
    ENDINGS,
    STOP,
    end,
    lose,
    place,
    queued,
    resume,
    resumed,
    running,
    save,
    saved,
    start,
    stop,
)


@pytest.mark.parametrize(("name", "start"), [("", "11"), ("10", "10")])
def test_an_ended_session_goes_on_from_a_checkpoint(name: str, start: str) -> None:
    ended = running(saved(), saved("11"), ENDINGS[1])
    decided = resume(name)(ended.state)

    (event,) = decided
    assert isinstance(event, Resumed)
    assert (event.attempt, event.start.name) == (1, start)
    assert ended.and_then(event).state.status == Status.QUEUED


def test_a_session_starts_over_when_told_to() -> None:
    after = running(STOP, ENDINGS[2]).when(resume(from_start=True)).then(resumed())

    assert not after.state.stop_reason
    assert not after.state.HasField("outcome")
    after.when(place(2)).then_once(Placed(attempt=2, node="here", devices=["0"]))


def test_no_number_is_given_twice_though_an_attempt_never_had_a_place() -> None:
    waits = queued()
    for number in (1, 2):
        waits = waits.and_then(*stop(waits.state))
        waits = waits.and_then(*resume(from_start=True)(waits.state))
        waits.when(place(number)).refused(Refused, "does not wait")
    placed = waits.when(place(3)).then_once(Placed(attempt=3, node="here", devices=["0"]))
    (again,) = resume(from_start=True)(placed.and_then(Stopped(attempt=3)).state)

    assert isinstance(again, Resumed)
    assert again.attempt == 3


def test_only_what_has_ended_and_is_there_is_resumed() -> None:
    running().when(resume()).refused(Refused, "has not ended")
    running(ENDINGS[0], resumed()).when(resume()).refused(Refused, "has not ended")
    running(ENDINGS[0]).when(resume()).refused(Refused, "no checkpoint: `--from-start`")
    running(ENDINGS[0]).when(resume("7")).refused(NotFound, "no checkpoint 7")
    running(ENDINGS[0], Removed()).when(resume(from_start=True)).refused(NotFound, "no session")
    given(SESSION).when(resume(from_start=True)).refused(NotFound, "no session")


def test_a_resumed_session_that_waits_is_nobodys_to_speak_for() -> None:
    waits = running(ENDINGS[3], resumed())

    for command in (start(), save(), end()):
        waits.when(command).refused(Superseded, "not the current one")
    waits.when(lose()).then()
    waits.when(place(1)).refused(Refused, "does not wait for a place")


def test_a_resumed_session_stopped_in_the_queue_leaves_the_attempt_before_as_it_ended() -> None:
    ended = running(ENDINGS[0])
    stopped = ended.and_then(resumed(), STOP, Stopped(reason="enough"))

    assert stopped.state.attempts == ended.state.attempts
    assert stopped.state.status == Status.STOPPED


def test_the_same_key_resumes_once_also_after_another_did() -> None:
    stopped = (STOP, Stopped(reason="enough"))
    twice = running(ENDINGS[3], resumed(key="a"), *stopped, resumed(key="b"), *stopped)

    for key in ("a", "b"):
        twice.when(resume(from_start=True, key=key)).then()
