"""The lives that measurements are made of: always the same, whole, and balanced."""

from collections import defaultdict
from itertools import islice
from typing import Any

from google.protobuf.message import Message

from bench import lives
from nsml_core.decider import Aggregate
from nsml_ledger.state import BOOK
from nsml_session.state import LIVE, SESSION

_EVENTS = 3000


def folded(aggregate: Aggregate[Any]) -> dict[str, Any]:
    """The state of every aggregate of a kind at the end."""
    states: defaultdict[str, Any] = defaultdict(aggregate.state)
    for subject, context, events in lives.entries(_EVENTS):
        if subject.startswith(f"nsml.{aggregate.service}."):
            for event in events:
                aggregate.evolve(states[aggregate.key(subject)], event, context.time)
    return states


def test_lives_are_the_same_every_time() -> None:
    def first() -> list[tuple[str, list[Message]]]:
        return [(subject, events) for subject, _, events in islice(lives.entries(_EVENTS), 500)]

    assert first() == first()


def test_every_session_has_come_to_its_end() -> None:
    sessions = folded(SESSION)

    assert len(sessions) > 200
    assert not [one.name for one in sessions.values() if one.status in LIVE]
    assert all(key == one.name for key, one in sessions.items())


def test_one_session_has_a_thousand_events() -> None:
    entries = [events for subject, _, events in lives.entries(_EVENTS) if ".long." in subject]

    assert sum(map(len, entries)) == 1000


def test_no_credit_appears_or_vanishes() -> None:
    for book in folded(BOOK).values():
        assert book.available + book.held + book.spent == book.granted
        assert not book.holds
