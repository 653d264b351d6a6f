"""Credits: what is held, charged and given back."""

import pytest
from google.protobuf.message import Message

from nsml_core.errors import Exhausted, Invalid
from nsml_ledger import decide
from nsml_ledger.state import BOOK, KEYS_KEPT, METER, find_hold
from nsml_protos.ledger_pb2 import Book, Meter
from nsml_protos.session_pb2 import (
    Completed,
    Failed,
    Lost,
    Placed,
    Requested,
    Resumed,
    Started,
    Stopped,
)
from tests.deciders.books import (
    HOLD,
    at,
    cancel,
    charged,
    extend,
    grant,
    granted,
    held,
    low,
    open_book,
    place,
    ran,
    released,
    settle,
)
from tests.deciders.given import given


def test_a_grant_with_a_key_is_given_once() -> None:
    given(BOOK).when(grant(5, "k")).then_once(granted(5, "k"))


def test_the_key_of_the_first_credit_is_nobodys_to_use() -> None:
    given(BOOK).when(grant(5, "opening")).refused(Invalid, "choose another")


def test_grants_without_a_key_are_each_given() -> None:
    given(BOOK, granted(5)).when(grant(5)).then(granted(5))


@pytest.mark.parametrize("amount", [0, -1])
def test_a_grant_takes_nothing_away(amount: int) -> None:
    given(BOOK).when(grant(amount)).refused(Invalid, "more than zero")


def test_a_book_is_opened_once_also_for_whom_somebody_gave_credit_before() -> None:
    opening = granted(7, "opening", "opening credit")

    given(BOOK).when(open_book(7)).then_once(opening)
    given(BOOK, granted(5)).when(open_book(7)).then_once(opening)
    given(BOOK, opening).when(open_book(9)).then()
    given(BOOK).when(open_book(0)).then()


def test_a_book_takes_no_more_than_it_can_count() -> None:
    most = decide.GRANTED_MAX

    given(BOOK).when(grant(most)).then(granted(most))
    given(BOOK).when(grant(most + 1)).refused(Invalid, "at most 1,000,000,000,000 credits in all")
    given(BOOK, granted(most - 5)).when(grant(6)).refused(Invalid, "grant less")


def test_a_reason_and_a_key_are_short() -> None:
    for reason, key in (("r" * 501, ""), ("", "k" * 101), ("", "a\nb"), ("", "ä")):
        with pytest.raises(Invalid, match="at most"):
            decide.grant(Book(), owner="ann", amount=1, reason=reason, key=key)


def test_a_book_remembers_the_last_keys_and_its_opening() -> None:
    book = given(BOOK, granted(1, "early"), granted(1, "opening", "opening credit"))
    full = book.and_then(*(granted(1, str(number)) for number in range(KEYS_KEPT)))

    full.when(open_book(7)).then()
    full.when(grant(1, str(KEYS_KEPT - 1))).then()
    assert len(full.state.grant_keys) == KEYS_KEPT


@pytest.mark.parametrize(
    ("available", "rate", "can"), [(0, 0, True), (0, 1, False), (1, 1_000_000, True)]
)
def test_who_can_afford_to_begin(available: int, rate: int, can: bool) -> None:
    assert decide.afford(Book(available=available), rate) is can


def test_a_hold_is_placed_once_for_an_attempt() -> None:
    given(BOOK, granted(10 * HOLD)).when(place()).then_once(held(HOLD))


def test_the_last_credit_is_held_whole() -> None:
    given(BOOK, granted(3)).when(place()).then_once(held(3))


def test_without_credit_nothing_is_held() -> None:
    given(BOOK).when(place()).refused(Exhausted, "NOT_ENOUGH_CREDIT")
    given(BOOK, granted(3), held(3)).when(place(session="t")).refused(Exhausted, "NOT_ENOUGH")


def test_what_costs_nothing_is_held_without_credit() -> None:
    given(BOOK).when(place(rate=0)).then_once(held(0, rate=0))


def test_a_hold_is_extended_by_what_there_is() -> None:
    started = given(BOOK, granted(2 * HOLD + 5), held(HOLD))

    started.when(extend()).then(held(HOLD)).when(extend()).then(held(5)).when(extend()).then()


def test_who_has_little_left_is_told_once_until_there_is_more() -> None:
    book = given(BOOK, granted(2 * HOLD + 5))

    one = book.when(place(low=HOLD)).then(held(HOLD)).when(place(session="t", low=HOLD))
    told = one.then(held(HOLD, session="t"), low(5, HOLD))
    told.when(extend(low=HOLD)).then(held(5))
    given_back = told.and_then(released(HOLD))
    assert given_back.state.low_below == 0
    given_back.when(place(low=2 * HOLD)).then(held(HOLD), low(5, 2 * HOLD))


def test_who_is_granted_too_little_stays_warned() -> None:
    book = given(BOOK, granted(9), held(9), low(0, 5), granted(4))

    assert book.state.low_below == 5
    assert book.and_then(granted(1)).state.low_below == 0


def test_what_costs_nothing_warns_nobody() -> None:
    given(BOOK).when(place(rate=0, low=5)).then(held(0, rate=0))
    given(BOOK, granted(3)).when(place(low=0)).then(held(3))


def test_nothing_is_extended_that_is_not_held_or_costs_nothing() -> None:
    given(BOOK, granted(HOLD)).when(extend()).then()
    given(BOOK, granted(HOLD), held(0, rate=0)).when(extend()).then()


def test_an_attempt_is_charged_to_the_millisecond_and_the_rest_given_back() -> None:
    meter = ran(1.234)

    after = (
        given(BOOK, granted(HOLD), held(HOLD))
        .when(settle(meter))
        .then_once(charged(1234, meter), released(HOLD - 1234))
    )

    assert (after.state.available, after.state.held, after.state.spent) == (HOLD - 1234, 0, 1234)
    assert not after.state.holds


def test_no_more_is_charged_than_was_held() -> None:
    meter = ran(10)

    given(BOOK, granted(3_000), held(3_000)).when(settle(meter)).then_once(
        charged(3_000, meter), released(0)
    )


def test_a_clock_that_went_back_charges_nothing() -> None:
    meter = ran(-5)

    given(BOOK, granted(9), held(9)).when(settle(meter)).then_once(charged(0, meter), released(9))


def test_what_never_started_costs_nothing() -> None:
    meter = Meter(session="s", owner="ann", attempt=1, ended=at(9))

    given(BOOK, granted(9), held(9)).when(settle(meter)).then_once(released(9))


def test_a_session_that_ended_before_it_was_placed_gets_its_hold_back() -> None:
    meter = given(METER, Requested(name="s", owner="ann"), Stopped()).state

    given(BOOK, granted(9), held(9)).when(settle(meter)).then_once(released(9))


def test_one_session_is_settled_and_no_other() -> None:
    meter = ran(1)
    book = given(BOOK, granted(9_000), held(2_000), held(2_000, session="t"))

    after = book.when(settle(meter)).then_once(charged(1_000, meter), released(1_000))

    assert find_hold(after.state, "t", 1) is not None


def test_a_late_settlement_leaves_the_next_attempt_its_hold() -> None:
    meter = ran(1)
    resumed = given(BOOK, granted(9_000), held(2_000), held(2_000, attempt=2))

    after = resumed.when(settle(meter)).then_once(charged(1_000, meter), released(1_000))

    assert find_hold(after.state, "s", 2) is not None


def test_a_resumed_session_is_metered_anew() -> None:
    first = [Requested(name="s", owner="ann"), Placed(attempt=1), Started(attempt=1), Lost()]
    waits = given(METER, *first, Resumed(name="s", owner="ann", attempt=1))

    assert waits.state == Meter(session="s", owner="ann", attempt=2)
    assert waits.and_then(Placed(attempt=2), Stopped()).state.attempt == 2


def test_one_who_was_lost_is_metered_until_it_was_heard_last() -> None:
    started = given(METER, Requested(name="s", owner="ann"), Placed(attempt=1), Started(attempt=1))
    begin = started.state.started  # two seconds after noon

    for heard, ended in ((2.5, at(2.5)), (1.0, begin)):
        lost = started.and_then(Lost(attempt=1, last_seen=at(heard)))
        assert lost.state.ended == ended
    assert started.and_then(Lost(attempt=1)).state.ended == at(3)


def test_nothing_held_is_nothing_to_settle() -> None:
    given(BOOK, granted(9)).when(settle(ran(1))).then()


def test_a_hold_is_cancelled_once() -> None:
    given(BOOK, granted(9), held(9)).when(cancel()).then_once(released(9))
    given(BOOK, granted(9)).when(cancel()).then()


@pytest.mark.parametrize(
    ("events", "started", "ended"),
    [
        ([Placed(attempt=1)], False, False),
        ([Placed(attempt=1), Started(attempt=1)], True, False),
        ([Placed(attempt=1), Started(attempt=1), Completed(attempt=1)], True, True),
        ([Placed(attempt=1), Failed(attempt=1)], False, True),
        ([Placed(attempt=1), Started(attempt=1), Lost(attempt=1)], True, True),
        ([Stopped()], False, True),
    ],
)
def test_a_meter_knows_when_an_attempt_ran(
    events: list[Message],
    started: bool,
    ended: bool,
) -> None:
    meter = given(METER, Requested(name="s", owner="ann"), *events).state

    assert (meter.session, meter.owner) == ("s", "ann")
    assert (meter.HasField("started"), meter.HasField("ended")) == (started, ended)
