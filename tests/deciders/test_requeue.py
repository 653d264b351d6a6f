"""A session makes room for another: its attempt ends, it waits again, and goes on."""

import pytest

from nsml_core.errors import Invalid, NotFound, Refused, Superseded
from nsml_protos.session_pb2 import Outcome, Placed, Preempted, Session, Status, StopRequested
from nsml_session import following, loss, requeue
from tests.deciders.given import Decision, Given
from tests.deciders.sessions import (
    WELL,
    end,
    place,
    queued,
    resumed,
    running,
    saved,
    start,
    stop,
)

ROOM = StopRequested(reason="bob needs it", actor="service:scheduler", requeue=True)
KILLED = Outcome(signal=15)


def preempt(attempt: int = 1) -> Decision[Session]:
    return lambda state: requeue.preempt(
        state, attempt=attempt, reason="bob needs it", actor="service:scheduler"
    )


def going_on(state: Session, name: str = "") -> list[object]:
    """What ends the attempt, and what follows at once."""
    again = resumed(name)
    again.by_itself = again.preempted = True
    if name:
        again.start.saved.CopyFrom(state.checkpoints[-1].saved)
    ended = Preempted(attempt=1, reason="bob needs it", outcome=KILLED)
    since = state.checkpoints[-1].saved if name else state.attempts[-1].started
    ended.kept_until.CopyFrom(since)
    return [ended, again]


def stopped(state: Given[Session], name: str = "") -> Given[Session]:
    return state.when(end(KILLED, stopped=True)).then(*going_on(state.state, name))  # type: ignore[arg-type]


def test_it_goes_on_from_its_newest_checkpoint() -> None:
    asked = running(saved("5"), saved("10")).when(preempt()).then_once(ROOM)
    after = stopped(asked, "10").state

    assert (after.status, after.start.name) == (Status.QUEUED, "10")
    assert (after.preemptions, after.restarts) == (1, 0)
    assert not after.stop_reason
    assert not after.requeue


def test_without_a_checkpoint_it_begins_again() -> None:
    after = stopped(running(ROOM))

    assert not after.state.HasField("start")
    after.when(place(2)).then(Placed(attempt=2, node="here", devices=["0"]))


def test_code_that_ends_well_meanwhile_has_ended() -> None:
    assert [type(event).__name__ for event in end(WELL)(running(ROOM).state)] == ["Completed"]


def test_an_owner_who_stops_it_meanwhile_is_heard() -> None:
    after = running(ROOM).when(stop).then_once(StopRequested(reason="enough", actor="user:ann"))

    assert not after.state.requeue
    assert [type(event).__name__ for event in end(KILLED, stopped=True)(after.state)] == ["Stopped"]


def test_a_runner_that_is_lost_meanwhile_made_room_too() -> None:
    found = loss.lose(running(ROOM).state, attempt=1, reason="gone")

    assert [type(event).__name__ for event in found] == ["Preempted", "Resumed"]


def test_the_attempt_that_made_room_speaks_no_more() -> None:
    after = stopped(running(ROOM)).and_then(Placed(attempt=2, node="here", devices=["0"]))

    after.when(start(1)).refused(Superseded, "not the current one")
    after.when(preempt(1)).refused(Refused, "holds no room")


def test_who_holds_no_room_makes_none() -> None:
    queued().when(preempt()).refused(Refused, "holds no room")


def test_who_is_to_follow_a_failure_is_refused() -> None:
    def follows(session: Session, *, is_seen: bool = True) -> bool:
        return following.has_to_end("ann/mnist/1", session, is_seen=is_seen)

    ended = running().when(end(WELL)).then(*end(WELL)(running().state))
    failed = running().when(end(KILLED)).then(*end(KILLED)(running().state))

    assert follows(running().state)
    assert not follows(ended.state)
    with pytest.raises(Refused, match="did not end well"):
        follows(failed.state)
    with pytest.raises(NotFound):
        follows(ended.state, is_seen=False)
    with pytest.raises(Invalid, match="ann/mnist/3"):
        following.checked("no session")
