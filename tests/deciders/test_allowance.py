"""Allowances: which grant is due, by the calendar of UTC, and that none is given twice."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from nsml_core.errors import Invalid
from nsml_ledger import allowance, decide
from nsml_ledger.state import BOOK
from nsml_protos.ledger_pb2 import AllowanceSet, Book, Granted, Period
from tests.deciders.books import granted, postings
from tests.deciders.given import Decision, given

FRIDAY = datetime(2026, 11, 20, 14, 41, tzinfo=UTC)
PERIODS = (Period.DAY, Period.WEEK, Period.MONTH)


def set_to(
    amount: int, period: "Period.ValueType" = Period.DAY, now: datetime = FRIDAY
) -> Decision[Book]:
    return lambda state: allowance.set_allowance(
        state, owner="ann", amount=amount, period=period, now=now
    )


def look(now: datetime) -> Decision[Book]:
    return lambda state: allowance.due(state, now)


def told(amount: int, period: "Period.ValueType" = Period.DAY) -> AllowanceSet:
    return AllowanceSet(owner="ann", amount=amount, period=period)


def paid(amount: int, begin: str, word: str = "day") -> Granted:
    return Granted(
        owner="ann",
        amount=amount,
        reason=f"allowance of the {word} from {begin}",
        key=f"allowance/{begin}",
        period_begin=begin,
        postings=postings("grants", "ann:available", amount),
    )


@pytest.mark.parametrize(
    ("period", "word", "begin", "before", "after"),
    [
        (Period.DAY, "day", "2026-11-20", "2026-11-20T23:59:59", "2026-11-21T00:00:00"),
        (Period.WEEK, "week", "2026-11-16", "2026-11-22T23:59:59", "2026-11-23T00:00:00"),
        (Period.MONTH, "month", "2026-11-01", "2026-11-30T23:59:59", "2026-12-01T00:00:00"),
    ],
)
def test_the_period_that_has_begun_counts_once_and_then_the_next(
    period: "Period.ValueType", word: str, begin: str, before: str, after: str
) -> None:
    book = given(BOOK).when(set_to(5, period)).then_once(told(5, period), paid(5, begin, word))

    book.when(look(datetime.fromisoformat(before).replace(tzinfo=UTC))).then()
    next_one = datetime.fromisoformat(after).replace(tzinfo=UTC)
    book.when(look(next_one)).then_once(paid(5, after[:10], word))
    assert allowance.next_grant(book.state.allowance) == next_one


def test_periods_in_which_nobody_looked_are_not_made_up_for() -> None:
    book = given(BOOK).when(set_to(5)).then(told(5), paid(5, "2026-11-20"))

    later = book.when(look(FRIDAY + timedelta(days=40))).then_once(paid(5, "2026-12-30"))
    later.when(look(FRIDAY)).then()  # a clock that was set back


def test_a_new_allowance_does_not_grant_a_period_again() -> None:
    daily = given(BOOK).when(set_to(5)).then(told(5), paid(5, "2026-11-20"))

    daily.when(set_to(9)).then_once(told(9))
    weekly = daily.when(set_to(9, Period.WEEK)).then_once(told(9, Period.WEEK))
    weekly.when(look(FRIDAY + timedelta(days=2))).then()
    weekly.when(look(FRIDAY + timedelta(days=3))).then(paid(9, "2026-11-23", "week"))


def test_an_allowance_that_ended_and_began_again_grants_no_period_twice() -> None:
    daily = given(BOOK).when(set_to(5)).then(told(5), paid(5, "2026-11-20"))

    ended = daily.when(set_to(0)).then_once(AllowanceSet(owner="ann"))
    ended.when(look(FRIDAY + timedelta(days=9))).then()
    assert allowance.next_grant(ended.state.allowance) is None
    again = ended.when(set_to(5)).then_once(told(5))
    again.when(look(FRIDAY + timedelta(days=1))).then(paid(5, "2026-11-21"))


def test_what_was_not_there_is_not_ended() -> None:
    given(BOOK, granted(5)).when(set_to(0)).then()


@pytest.mark.parametrize(
    ("amount", "period", "said"),
    [
        (-1, Period.DAY, "zero credits or more"),
        (5, Period.PERIOD_UNSPECIFIED, "every day, week or month"),
        (5, 77, "every day, week or month"),
        (decide.GRANTED_MAX + 1, Period.DAY, "grant less"),
    ],
)
def test_a_senseless_allowance_is_refused(amount: int, period: int, said: str) -> None:
    given(BOOK).when(set_to(amount, period)).refused(Invalid, said)  # type: ignore[arg-type]


def test_a_full_book_gets_no_more() -> None:
    most = decide.GRANTED_MAX
    full = given(BOOK).when(set_to(most)).then(told(most), paid(most, "2026-11-20"))

    full.when(look(FRIDAY + timedelta(days=1))).then()


def test_keys_of_allowances_do_not_pile_up() -> None:
    book = given(BOOK, told(5), paid(5, "2026-11-20"), paid(5, "2026-11-21"))

    assert list(book.state.grant_keys) == []
    assert book.state.allowance.granted == "2026-11-21"


DAYS = st.dates(date(2000, 1, 1), date(2100, 1, 1))


@for_all(st.lists(st.tuples(st.sampled_from(PERIODS), DAYS), max_size=30))
def test_no_day_begins_two_grants_whatever_the_clock_says(
    looks: list[tuple["Period.ValueType", date]],
) -> None:
    state = Book()
    begins: list[str] = []
    for period, day in looks:
        now = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        for decision in (set_to(5, period, now), look(now)):
            for event in decision(state):
                state = BOOK.fold(state, [(event, now)])
                if isinstance(event, Granted):
                    begins.append(event.period_begin)
        assert not list(allowance.due(state, now))
        due = allowance.next_grant(state.allowance)
        assert due is not None
        assert not allowance.due(state, due - timedelta(microseconds=1))
        assert len(allowance.due(state, due)) == 1
    assert begins == sorted(set(begins))
