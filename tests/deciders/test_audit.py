"""The audit: what is right it leaves alone, and what was tampered with it names."""

from collections.abc import Callable

import pytest
from google.protobuf.message import Message

from nsml_ledger.audit import unlike_views
from nsml_protos.ledger_pb2 import Book, Charged, Granted, Held, Refunded, Released
from nsml_protos.session_pb2 import Completed, Placed, Requested, Started
from tests.deciders.books import at, granted, held, part, released
from tests.deciders.stories import Story

HOUR = 3_600_000


def story() -> Story:
    """One session charged in parts, one that never started, one lost, one that still runs."""
    told = Story(gpus=(1, 2, 3, 4))
    told.grants(10_000 * 60_000, "first")
    for number in range(4):
        told.asks(number)
        told.holds(number)
    for number in (0, 2, 3):
        told.starts(number)
    for _ in range(5):
        told.passes(30.017)
        told.looks()
    told.ends(0)
    told.stops(1)
    told.loses(2, heard=50)
    told.settles()
    return told


def test_a_story_that_went_well_differs_in_nothing() -> None:
    told = story()

    assert told.audit() == []
    kinds = {type(event) for subject, _, events in told.log for event in events}
    assert {Granted, Held, Charged, Refunded, Released} <= kinds
    assert [hold.session for hold in told.book.holds] == ["ann/None/3"]


def events_of(told: Story, kind: type[Message], session: str) -> list[Message]:
    return [
        event
        for _, _, events in told.log
        for event in events
        if isinstance(event, kind) and event.session == session  # type: ignore[attr-defined]
    ]


def change(kind: type[Message], session: str, **values: object) -> Callable[[Story], None]:
    """Change fields of the last such event; an amount with its postings, so that it balances."""

    def tamper(told: Story) -> None:
        event = events_of(told, kind, session)[-1]
        for name, value in values.items():
            if isinstance(value, Message):
                getattr(event, name).CopyFrom(value)
            elif name == "amount":
                event.amount += value  # type: ignore[attr-defined]
                event.postings[0].amount -= value  # type: ignore[attr-defined]
                event.postings[1].amount += value  # type: ignore[attr-defined]
            else:
                setattr(event, name, value)

    return tamper


def drop(kind: type[Message], session: str) -> Callable[[Story], None]:
    def tamper(told: Story) -> None:
        gone = events_of(told, kind, session)[-1]
        for _, _, events in told.log:
            events[:] = [event for event in events if event is not gone]

    return tamper


def add(*events: Message, subject: str = "nsml.ledger.ann") -> Callable[[Story], None]:
    return lambda told: told.log.append((subject, told.now, list(events)))


def unbalance(told: Story) -> None:
    events_of(told, Charged, "ann/None/0")[0].postings[1].amount += 1  # type: ignore[attr-defined]


ONE, TWO, THREE = "ann/None/0", "ann/None/2", "ann/None/3"


@pytest.mark.parametrize(
    ("tamper", "name", "what"),
    [
        (change(Charged, ONE, amount=1), f"{ONE}#1", "was charged, and its"),
        (change(Charged, ONE, amount=-1), f"{ONE}#1", "was charged, and its"),
        (change(Charged, THREE, amount=1), f"{THREE}#1", "was charged for a part"),
        (change(Charged, ONE, rate=7), f"{ONE}#1", "do not follow each other at one rate"),
        (change(Refunded, TWO, amount=1), f"{TWO}#1", "was charged, and its"),
        (change(Released, ONE, amount=1), f"{ONE}#1", "was released, and"),
        (change(Released, ONE, amount=HOUR), "ann", "ann:held is -"),
        (change(Held, ONE, amount=10**12), "ann", "ann:available is -"),
        (change(Held, ONE, rate=2_000), f"{ONE}#1", "1 GPUs cost 1000"),
        (drop(Charged, ONE), f"{ONE}#1", "was charged, and its"),
        (drop(Refunded, TWO), f"{TWO}#1", "was charged, and its"),
        (drop(Released, ONE), f"{ONE}#1", "its hold was not closed"),
        (drop(Held, ONE), f"{ONE}#1", "no hold was open"),
        (add(released(0, ONE)), f"{ONE}#1", "Released, but no hold was open"),
        (add(released(0, THREE)), f"{THREE}#1", "its hold was closed while it ran"),
        (add(held(5, session=ONE)), f"{ONE}#1", "again after it was charged"),
        (add(held(5, session="ann/None/9")), "ann/None/9#1", "knows no such attempt"),
        (add(granted(5, "first")), "ann", "granted twice by the key first"),
        (add(Placed(attempt=1)), "ann", "Placed is no event of a book"),
        (unbalance, "ann", "all accounts together hold 1"),
        (unbalance, "ann", "its postings are not those of Charged"),
    ],
)
def test_what_was_tampered_with_is_named(
    tamper: Callable[[Story], None], name: str, what: str
) -> None:
    told = story()
    tamper(told)

    found = told.audit()

    assert any(one.name == name and what in one.what for one in found), found


def test_who_ran_and_was_not_held_for_is_named() -> None:
    told = Story()
    told.asks(0)
    name = told.name(0)
    told.happened(name, Placed(attempt=1))
    told.happened(name, Started(attempt=1))
    told.passes(2)
    told.happened(name, Completed(attempt=1))

    assert [one.what for one in told.audit()] == [
        "it ran for 2000 ms, and no credit was held for it"
    ]


def test_another_may_not_pay() -> None:
    told = story()
    told.log[1][2][0] = Requested(name=ONE, owner="bob")

    assert any("it is bob's, and ann's credit" in one.what for one in told.audit())


def test_what_never_started_may_not_be_charged() -> None:
    told = Story()
    told.grants(HOUR)
    told.asks(0)
    told.holds(0)
    add(part(5, at(0), at(5), session=told.name(0)))(told)

    assert any("its code never started" in one.what for one in told.audit())


def test_books_that_are_shown_are_those_of_the_log() -> None:
    book = Book(owner="ann", available=5)
    state = book.SerializeToString()

    assert unlike_views({"ann": book}, {"ann": state}) == []
    for books, states in (
        ({"ann": book}, {}),
        ({}, {"ann": state}),
        ({"ann": Book(owner="ann", available=6)}, {"ann": state}),
    ):
        (one,) = unlike_views(books, states)
        assert (one.name, one.what) == ("ann", "the view's book is not what follows from the log")
