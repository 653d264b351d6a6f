"""What an owner is told, in words, and what not."""

from datetime import timedelta

import pytest
from google.protobuf.message import Message

from nsml_core.notify import News
from nsml_protos.session_pb2 import (
    Failed,
    Lost,
    MemoChanged,
    Outcome,
    Stopped,
    StopRequested,
)
from nsml_session.idle import Rules
from nsml_session.loss import lose
from nsml_session.notices import news
from tests.deciders.given import NOON
from tests.deciders.sessions import ENDINGS, NAME, STOP, running, saved
from tests.deciders.test_session_idle import RULES, STOPS, zombie
from tests.deciders.test_session_loss import with_restarts

PLATFORM = StopRequested(reason="its credit is used up", actor="service:ledger")
LATER = NOON + timedelta(minutes=10, seconds=5)


def told(*events: Message, rules: Rules = RULES) -> News | None:
    """What is told of the last of these events."""
    return news(running(*events).state, events[-1], 7, NOON, rules)


def words(found: News | None) -> tuple[str, str, str]:
    assert found is not None
    return found.subject, found.text, found.command


def test_a_zombie() -> None:
    subject, text, command = words(told(zombie()))

    assert (subject, command) == (f"[NSML] Session {NAME} does nothing", f"nsml stop {NAME}")
    assert "since 2023-11-14 22:13:20 UTC: it uses less than 1% of its 4 CPUs." in text
    assert "stopped at" not in text
    assert (
        "It will be stopped at 2023-11-14 22:14:50 UTC unless it works again."
        in words(told(zombie(), rules=STOPS))[1]
    )


def test_a_lost_session_says_how_to_go_on() -> None:
    event = Lost(attempt=1, reason="its runner is gone")
    event.last_seen.FromDatetime(NOON)

    subject, text, command = words(told(event))
    assert subject == f"[NSML] Session {NAME} is lost"
    assert "Its runner is gone; it was last heard at 2026-01-01 12:00:00 UTC." in text
    assert command == f"nsml resume {NAME} --from-start"
    assert words(told(saved(), event))[2] == f"nsml resume {NAME}"


def test_a_lost_session_that_goes_on_says_so() -> None:
    before = with_restarts(2).and_then(saved("4"))
    events = lose(before.state, attempt=1, reason="gone")
    found = news(before.and_then(*events).state, events[0], 7, NOON, RULES)

    subject, text, command = words(found)
    assert subject == f"[NSML] Session {NAME} was lost and goes on"
    assert "It goes on by itself, from checkpoint 4: restart 1 of at most 2." in text
    assert command == f"nsml logs -f {NAME}"


def test_who_stopped_it_decides_whether_it_is_news() -> None:
    stopped = Stopped(attempt=1, reason="its credit is used up")

    assert words(told(PLATFORM, stopped))[0] == f"[NSML] Session {NAME} was stopped"
    assert told(STOP, stopped) is None


@pytest.mark.parametrize(("late", "is_news"), [(False, False), (True, True)])
def test_a_failure_is_news_when_nobody_looks_any_more(*, late: bool, is_news: bool) -> None:
    failed = Failed(attempt=1, outcome=Outcome(exit_code=1, message="no\x1b[31m\ndata"))
    state = running(failed).state
    if late:
        state.attempts[0].ended.FromDatetime(LATER)

    found = news(state, failed, 7, NOON, RULES)

    assert (found is not None) == is_news
    if found:
        assert "No [31m data." in found.text


def test_that_it_ended_well_is_no_news() -> None:
    assert told(ENDINGS[0]) is None


def test_a_memo_is_one_line_of_the_text() -> None:
    found = told(MemoChanged(memo="a\r\n\r\nWhat to type next: rm -rf"), zombie())

    assert found is not None
    assert found.text.splitlines()[-1] == "Its memo: a What to type next: rm -rf"
    assert (found.id, found.about, found.owner) == (f"{NAME}@7", "BecameZombie", "ann")
    assert found.facts == {"session": NAME, "attempt": 1, "sequence": 7}
