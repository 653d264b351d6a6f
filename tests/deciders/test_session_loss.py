"""A session whose runner is gone is lost; with restarts left it goes on by itself."""

from datetime import UTC, datetime, timedelta

import pytest

from nsml_core.errors import Invalid
from nsml_protos.session_pb2 import (
    CheckpointSaved,
    Lost,
    Notified,
    Placed,
    Requested,
    Resumed,
    Session,
    Spec,
    Started,
    Status,
)
from nsml_session import decide
from nsml_session.loss import lose
from nsml_session.state import SESSION
from tests.deciders.given import NOON, Decision, Given, given
from tests.deciders.sessions import (
    ENDINGS,
    NAME,
    PLACED,
    STARTED,
    STOP,
    allocated,
    queued,
    request,
    resumed,
    running,
    saved,
)

SECOND = timedelta(seconds=1)
PLACED_AT, STARTED_AT = NOON + SECOND, NOON + 2 * SECOND


def gone(attempt: int = 1, last_seen: datetime | None = None) -> Decision[Session]:
    return lambda state: lose(state, attempt=attempt, reason="gone", last_seen=last_seen)


def lost(last_seen: datetime, attempt: int = 1) -> Lost:
    event = Lost(attempt=attempt, reason="gone")
    event.last_seen.FromDatetime(last_seen)
    return event


def with_restarts(number: int) -> Given[Session]:
    spec = Spec(code_tree="c" * 64, entry="main.py", restarts=number)
    return given(SESSION, Requested(name=NAME, owner="ann", spec=spec), PLACED, STARTED)


def by_itself(start: CheckpointSaved | None = None, attempt: int = 1) -> Resumed:
    event = resumed()
    event.attempt = attempt
    event.by_itself = True
    if start is not None:
        event.start.CopyFrom(start.checkpoint)
    return event


def went_on(event: Resumed, saved_at: datetime) -> Resumed:
    event.start.saved.FromDatetime(saved_at)
    return event


def test_a_lost_session_was_last_seen_when_its_runner_was_heard() -> None:
    heard = NOON + 30 * SECOND
    after = running().when(gone(last_seen=heard)).then_once(lost(heard))

    assert after.state.status == Status.LOST
    assert after.state.attempts[0].last_seen.ToDatetime(UTC) == heard
    assert after.state.attempts[0].ended.ToDatetime(UTC) == NOON + 3 * SECOND


@pytest.mark.parametrize("heard", [None, NOON])
def test_it_was_seen_at_least_when_it_began(heard: datetime | None) -> None:
    running().when(gone(last_seen=heard)).then_once(lost(STARTED_AT))
    allocated().when(gone(last_seen=heard)).then_once(lost(PLACED_AT))


def test_one_that_was_to_stop_has_stopped() -> None:
    running(STOP).when(gone()).then_once(ENDINGS[2])


@pytest.mark.parametrize(
    ("state", "attempt"),
    [(given(SESSION), 1), (queued(), 1), (queued(), 0), (running(), 2), (running(ENDINGS[0]), 1)],
)
def test_nothing_is_lost_that_does_not_run(state: Given[Session], attempt: int) -> None:
    state.when(gone(attempt)).then()


def test_it_goes_on_from_its_newest_checkpoint_as_often_as_it_may() -> None:
    second = with_restarts(1).and_then(saved("2"), saved("4"))
    waits = second.when(gone()).then_once(
        lost(STARTED_AT), went_on(by_itself(saved("4")), NOON + 4 * SECOND)
    )
    assert (waits.state.status, waits.state.restarts) == (Status.QUEUED, 1)
    assert not waits.state.HasField("ended")

    runs = waits.and_then(Placed(attempt=2, node="here"), Started(attempt=2, environment="e"))
    ended = runs.when(gone(2)).then_once(lost(NOON + 8 * SECOND, attempt=2))

    assert (ended.state.status, ended.state.restarts) == (Status.LOST, 1)


def test_it_starts_over_when_it_has_saved_nothing() -> None:
    with_restarts(2).when(gone()).then_once(lost(STARTED_AT), by_itself())


def test_an_attempt_that_saved_nothing_is_made_again_as_it_was() -> None:
    """Also one that was told to start over: what was saved before it does not count."""
    over = with_restarts(1).and_then(
        saved("2"), ENDINGS[1], resumed(), Placed(attempt=2, node="here")
    )
    over.when(gone(2)).then_once(lost(NOON + 6 * SECOND, attempt=2), by_itself(attempt=2))

    from_two = with_restarts(1).and_then(
        saved("2"), saved("3"), ENDINGS[1], resumed("2"), Placed(attempt=2, node="here")
    )
    again = resumed("2")
    again.attempt, again.by_itself = 2, True
    from_two.when(gone(2)).then_once(lost(NOON + 7 * SECOND, attempt=2), again)


def test_who_resumes_by_hand_uses_up_no_restart() -> None:
    by_hand = with_restarts(1).and_then(ENDINGS[1], resumed(), Placed(attempt=2, node="here"))

    assert by_hand.state.restarts == 0
    by_hand.when(gone(2)).then_once(lost(NOON + 5 * SECOND, attempt=2), by_itself(attempt=2))


def test_a_resume_that_is_asked_again_is_known_after_a_restart() -> None:
    asked = resumed()
    asked.request_key = "k1"
    state = with_restarts(1).and_then(ENDINGS[1], asked, Placed(attempt=2, node="here"))
    after = state.and_then(lost(NOON, attempt=2), by_itself(attempt=2))

    after.when(lambda now: decide.resume(now, from_start=True, key="k1")).then()


def test_a_session_has_no_endless_restarts() -> None:
    spec = Spec(code_tree="c" * 64, entry="main.py", restarts=101)

    given(SESSION).when(request(spec)).refused(Invalid, "at most 100 times")


def test_that_an_owner_was_told_changes_nothing() -> None:
    told = Notified(about="Lost", channels=["mail"])
    before = running(ENDINGS[3])
    after = before.when(lambda now: decide.notified(now, "Lost", "mail")).then(told)

    assert after.state == before.state
    given(SESSION).when(lambda now: decide.notified(now, "Lost", "mail")).then()
