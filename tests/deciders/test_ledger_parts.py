"""Charges in parts while a session runs, and what is refunded when it had ended before."""

from datetime import timedelta

from nsml_ledger import decide
from nsml_ledger.state import BOOK, METER, find_hold
from nsml_protos.ledger_pb2 import Meter
from nsml_protos.session_pb2 import Lost, Placed, Requested, Started
from tests.deciders.books import (
    GPU,
    HOLD,
    at,
    cancel,
    charge,
    charged,
    extend,
    granted,
    held,
    look,
    low,
    part,
    ran,
    refunded,
    released,
    runs,
    settle,
)
from tests.deciders.given import NOON, given

RICH = (granted(10 * HOLD), held(HOLD))


def test_parts_follow_each_other_and_the_last_ends_with_the_session() -> None:
    running = given(BOOK, *RICH)

    first = running.when(charge(60)).then_once(part(60_000, at(0), at(60)))
    then = first.when(charge(120.5)).then_once(part(60_500, at(60), at(120.5)))
    after = then.when(settle(ran(121.234))).then_once(
        part(734, at(120.5), at(121.234)), released(HOLD - 121_234)
    )

    assert (after.state.spent, after.state.held) == (121_234, 0)
    assert after.state.available == 10 * HOLD - 121_234


def test_a_hold_shrinks_by_what_is_charged() -> None:
    after = given(BOOK, *RICH).when(charge(60)).then_once(part(60_000, at(0), at(60)))

    hold = find_hold(after.state, "s", 1)
    assert hold
    assert (hold.amount, hold.charged, hold.charged_until) == (HOLD - 60_000, 60_000, at(60))
    assert after.state.held == HOLD - 60_000


def test_rounding_loses_nothing_over_parts() -> None:
    """Of 7 GPU-milliseconds a second each third of a second is worth 2.33."""
    book = given(BOOK, granted(100), held(100, rate=7))

    for number, worth in enumerate((2, 2, 3)):
        begin, end = at(number / 3), at((number + 1) / 3)
        book = book.when(charge((number + 1) / 3)).then(part(worth, begin, end, rate=7))
    assert book.state.spent == 7


def test_time_that_went_back_charges_nothing() -> None:
    after = given(BOOK, *RICH).when(charge(60)).then(part(60_000, at(0), at(60)))

    after.when(charge(59)).then()
    after.when(charge(60)).then()
    given(BOOK, *RICH).when(charge(-1)).then()


def test_no_time_is_charged_that_no_hold_covers() -> None:
    poor = given(BOOK, granted(90_000), held(90_000))

    paid = poor.when(charge(60)).then(part(60_000, at(0), at(60)))
    used = paid.when(charge(300)).then_once(part(30_000, at(60), at(90)))
    used.when(charge(900)).then()
    used.when(settle(ran(301))).then_once(part(0, at(90), at(301)), released(0))


def test_time_that_a_later_grant_covers_is_charged_after_all() -> None:
    used = given(BOOK, granted(90_000), held(90_000), part(90_000, at(0), at(90)))

    more = used.and_then(granted(HOLD)).when(extend()).then(held(HOLD))

    more.when(charge(100)).then(part(10_000, at(90), at(100)))


def test_what_nobody_set_aside_in_time_is_set_aside_at_the_end() -> None:
    """Ten minutes are held, and it ran for twenty while the ledger was away."""
    away = given(BOOK, granted(2 * HOLD + 5), held(HOLD))

    after = away.when(settle(ran(1_200))).then_once(
        held(HOLD), charged(2 * HOLD, ran(1_200)), released(0)
    )
    assert (after.state.available, after.state.spent) == (5, 2 * HOLD)
    given(BOOK, granted(HOLD + 7), held(HOLD)).when(settle(ran(1_200), low=5)).then_once(
        held(7), low(0, 5), charged(HOLD + 7, ran(1_200)), released(0)
    )


def test_what_was_charged_beyond_the_end_is_refunded() -> None:
    paid = given(BOOK, *RICH, part(60_000, at(0), at(60)))

    after = paid.when(settle(ran(45.5))).then_once(
        refunded(14_500, at(45.5), at(60)), released(HOLD - 45_500)
    )

    assert (after.state.spent, after.state.held) == (45_500, 0)
    assert not after.state.holds


def test_one_lost_before_its_first_word_gets_all_back() -> None:
    paid = given(BOOK, *RICH, part(60_000, at(0), at(60)))

    after = paid.when(settle(ran(0))).then_once(refunded(60_000, at(0), at(60)), released(HOLD))

    assert (after.state.available, after.state.spent) == (10 * HOLD, 0)


def test_an_end_at_the_last_charge_needs_no_other() -> None:
    given(BOOK, *RICH, part(60_000, at(0), at(60))).when(settle(ran(60))).then_once(
        released(HOLD - 60_000)
    )


def test_an_end_within_the_last_millisecond_is_said_though_it_is_worth_nothing() -> None:
    paid = given(BOOK, *RICH, part(60_000, at(0), at(60.0005)))

    paid.when(settle(ran(60.0001))).then_once(
        refunded(0, at(60.0001), at(60.0005)), released(HOLD - 60_000)
    )


def test_a_lost_runner_is_paid_until_it_was_heard_last() -> None:
    """Started 2 s after noon, charged for a minute, heard last after 32 s, given up after 90."""
    meter = given(METER, Requested(name="s", owner="ann"), Placed(attempt=1), Started(attempt=1))
    paid = given(BOOK, *RICH, part(60_000, at(2), at(62)))

    lost = meter.and_then(Lost(attempt=1, last_seen=at(34))).state

    paid.when(settle(lost)).then_once(refunded(28_000, at(34), at(62)), released(HOLD - 32_000))


def test_a_running_session_is_charged_when_it_is_time() -> None:
    running = given(BOOK, *RICH)

    running.when(look(59.9)).then()
    paid = running.when(look(60)).then_once(part(60_000, at(0), at(60)))
    paid.when(look(119)).then()
    paid.when(look(125)).then(part(65_000, at(60), at(125)))


def test_more_is_set_aside_two_minutes_before_the_hold_is_used_up() -> None:
    """What was charged already has left the hold, and does not count a second time."""
    paid = given(BOOK, *RICH, part(450_000, at(0), at(450)))

    paid.when(look(479)).then()
    after = paid.when(look(480)).then_once(held(HOLD))
    after.when(look(1_079, every=9_999)).then()
    after.when(look(1_080, every=9_999)).then(held(HOLD))


def test_charging_and_setting_aside_may_fall_together() -> None:
    given(BOOK, *RICH).when(look(500)).then_once(part(500_000, at(0), at(500)), held(HOLD))


def test_after_a_long_absence_it_catches_up_and_nobody_is_stopped() -> None:
    away = given(BOOK, *RICH)

    back = away.when(look(1_900)).then(part(600_000, at(0), at(600)), held(HOLD))
    assert decide.used_up(back.state, [runs()], NOON + timedelta(seconds=1_900)) == []
    again = back.when(look(1_901)).then(part(600_000, at(600), at(1_200)), held(HOLD))
    more = again.when(look(1_902)).then(part(600_000, at(1_200), at(1_800)), held(HOLD))
    more.when(look(1_903)).then(part(103_000, at(1_800), at(1_903)))


def test_an_owners_sessions_share_what_is_left() -> None:
    both = given(BOOK, granted(2 * HOLD + 7), held(HOLD), held(HOLD, session="t"))  # and 7 are left

    after = both.when(look(500, runs(), runs("t"), every=9_999, low=5)).then(held(7), low(0, 5))

    assert decide.used_up(after.state, [runs(), runs("t")], NOON + timedelta(seconds=600)) == [
        runs("t")
    ]


def test_who_still_has_credit_is_not_stopped() -> None:
    book = given(BOOK, granted(HOLD), held(1_000)).state

    assert decide.used_up(book, [runs()], NOON + timedelta(seconds=60)) == []


def test_what_costs_nothing_is_neither_charged_in_parts_nor_stopped() -> None:
    free = given(BOOK, held(0, rate=0))

    free.when(look(10_000)).then()
    assert decide.used_up(free.state, [runs()], NOON + timedelta(seconds=10_000)) == []
    free.when(settle(ran(9))).then_once(charged(0, ran(9), rate=0), released(0))


def test_what_nothing_is_held_for_is_left_alone() -> None:
    given(BOOK, granted(HOLD)).when(look(600)).then()
    given(BOOK, granted(HOLD)).when(charge(600)).then()


def test_one_entry_charges_many_and_not_all() -> None:
    names = [f"s{number}" for number in range(600)]
    book = given(BOOK, granted(600 * HOLD), *(held(HOLD, session=name) for name in names))

    decision = look(60, *map(runs, names))

    first = list(decision(book.state))
    rest = list(decision(BOOK.fold(book.state, [(event, NOON) for event in first])))
    assert (len(first), len(rest)) == (500, 100)
    assert {event.session for event in [*first, *rest]} == set(names)  # type: ignore[attr-defined]


def test_a_start_that_failed_costs_nothing() -> None:
    failed = Meter(session="s", owner="ann", attempt=1, ended=at(100))

    given(BOOK, *RICH).when(settle(failed)).then_once(released(HOLD))


def test_a_hold_is_closed_once_whoever_closes_it() -> None:
    closed = given(BOOK, *RICH, part(GPU, at(0), at(1)), released(HOLD - GPU))

    closed.when(settle(ran(2))).then()
    closed.when(cancel()).then()
    closed.when(charge(2)).then()
    closed.when(extend()).then()
