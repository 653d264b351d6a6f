"""Allowances: what an owner is granted whenever a day, a week or a month begins, by UTC."""

from datetime import UTC, date, datetime, time, timedelta

from google.protobuf.message import Message

from nsml_core.errors import Invalid
from nsml_ledger.accounts import postings
from nsml_ledger.decide import GRANTED_MAX, check_granted
from nsml_protos.ledger_pb2 import Allowance, AllowanceSet, Book, Granted, Period

WORDS = {Period.DAY: "day", Period.WEEK: "week", Period.MONTH: "month"}


def set_allowance(
    state: Book, *, owner: str, amount: int, period: "Period.ValueType", now: datetime
) -> list[Message]:
    """Grant an owner so much from now on, whenever a period begins; 0 ends it.

    The period that has begun counts, unless an allowance was granted since it began.
    """
    if amount < 0:
        raise Invalid("An allowance is zero credits or more; zero ends it.")
    if amount == 0:
        return [AllowanceSet(owner=owner)] if state.allowance.amount else []
    if period not in WORDS:
        raise Invalid("An allowance is for every day, week or month.")
    check_granted(state, amount)
    wanted = Allowance(amount=amount, period=period, granted=state.allowance.granted)
    if wanted == state.allowance:
        return due(state, now)
    told = AllowanceSet(owner=owner, amount=amount, period=period)
    return [told, *due(Book(owner=owner, granted=state.granted, allowance=wanted), now)]


def due(state: Book, now: datetime) -> list[Message]:
    """Return the grant of the period that has begun, if it has not been granted.

    Periods that passed while nobody looked are not made up for: an allowance is to be used in its
    period, and a clock that was wrong for a moment must not grant years of it.
    """
    if state.allowance.amount == 0 or state.granted + state.allowance.amount > GRANTED_MAX:
        return []
    begin = period_begin(state.allowance.period, now.date()).isoformat()
    if begin <= state.allowance.granted:
        return []
    granted = Granted(
        owner=state.owner,
        amount=state.allowance.amount,
        reason=f"allowance of the {WORDS[state.allowance.period]} from {begin}",
        key=f"allowance/{begin}",
        period_begin=begin,
    )
    granted.postings.extend(postings(state.owner, granted))
    return [granted]


def next_grant(allowance: Allowance) -> datetime | None:
    """Return when the next grant is due; None without an allowance."""
    if allowance.amount == 0:
        return None
    if not allowance.granted:
        return datetime(1970, 1, 1, tzinfo=UTC)
    day = period_begin(allowance.period, date.fromisoformat(allowance.granted))
    longest = {Period.DAY: 1, Period.WEEK: 7, Period.MONTH: 31}[allowance.period]
    begin = period_begin(allowance.period, day + timedelta(days=longest))
    return datetime.combine(begin, time(), UTC)


def period_begin(period: "Period.ValueType", day: date) -> date:
    """Return the first day of the period that a day belongs to; a week begins on Monday."""
    match period:
        case Period.WEEK:
            return day - timedelta(days=day.weekday())
        case Period.MONTH:
            return day.replace(day=1)
        case _:
            return day
