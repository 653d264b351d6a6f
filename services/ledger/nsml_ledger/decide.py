"""What may be asked of a book, and what then happens. Every event's postings sum to zero."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from nsml_core.errors import Exhausted, Invalid
from nsml_ledger import rates
from nsml_ledger.accounts import postings
from nsml_ledger.state import OPENING, find_hold
from nsml_protos.ledger_pb2 import (
    Book,
    Charged,
    Granted,
    Held,
    Hold,
    LowBalance,
    Meter,
    Refunded,
    Released,
)
from nsml_protos.session_pb2 import Notified

M = TypeVar("M", Granted, Held, Charged, Refunded, Released)

GRANTED_MAX = 10**12 * rates.CREDIT
_KEY_MAX, _REASON_MAX = 100, 500
_AT_ONCE = 500
"""So many of an owner's sessions are charged by one entry, whose size has a limit."""


@dataclass(frozen=True)
class Policy:
    """When running sessions are charged, and when an owner is told that little is left."""

    charge_seconds: float
    low: int
    """Below this a balance is low, in GPU-milliseconds."""


def grant(state: Book, *, owner: str, amount: int, reason: str, key: str) -> list[Message]:
    """Give an owner credit; the same key never gives it twice."""
    if key == OPENING:
        raise Invalid(f"The key {OPENING!r} is that of a book's first credit: choose another.")
    return _grant(state, owner=owner, amount=amount, reason=reason, key=key)


def _grant(state: Book, *, owner: str, amount: int, reason: str, key: str) -> list[Message]:
    if amount <= 0:
        raise Invalid("A grant is more than zero credits.")
    if key and key in state.grant_keys:
        return []
    check_granted(state, amount)
    if len(reason) > _REASON_MAX:
        raise Invalid(f"A reason has at most {_REASON_MAX} characters; this one has {len(reason)}.")
    if len(key) > _KEY_MAX or not (key.isascii() and key.isprintable()):
        raise Invalid(f"A grant's key has at most {_KEY_MAX} printable ASCII characters.")
    return [_moved(owner, Granted(owner=owner, amount=amount, reason=reason, key=key))]


def check_granted(state: Book, amount: int) -> None:
    """Refuse what no book could ever use: amounts are numbers of 64 bits."""
    if state.granted + amount > GRANTED_MAX:
        most = GRANTED_MAX // rates.CREDIT
        raise Invalid(f"A book is granted at most {most:,} credits in all: grant less.")


def open_book(state: Book, *, owner: str, amount: int) -> list[Message]:
    """Give an owner their first credit, once."""
    if not amount:
        return []
    return _grant(state, owner=owner, amount=amount, reason="opening credit", key=OPENING)


def afford(state: Book, rate: int) -> bool:
    """Could a session of this rate run at all?"""
    return rate == 0 or state.available > 0


def place_hold(
    state: Book, *, owner: str, session: str, attempt: int, rate: int, low: int = 0
) -> list[Message]:
    """Set credit aside for an attempt that is about to start."""
    if find_hold(state, session, attempt) is not None:
        return []
    if not afford(state, rate):
        raise Exhausted(
            "NOT_ENOUGH_CREDIT: no credit is left; `nsml credit history` shows where it went."
        )
    held = _held(owner, Hold(session=session, attempt=attempt, rate=rate), state.available)
    return [held, *_warning(state, owner, held.amount, low)]


def extend_hold(
    state: Book, *, owner: str, session: str, attempt: int, low: int = 0
) -> list[Message]:
    """Set more aside for an attempt that runs on; nothing if nothing is left."""
    hold = find_hold(state, session, attempt)
    if hold is None or hold.rate == 0 or state.available == 0:
        return []
    held = _held(owner, hold, state.available)
    return [held, *_warning(state, owner, held.amount, low)]


def _held(owner: str, hold: Hold, available: int) -> Held:
    amount = min(available, hold.rate * rates.HOLD_SECONDS)
    held = Held(session=hold.session, attempt=hold.attempt, amount=amount, rate=hold.rate)
    return _moved(owner, held)


def _warning(state: Book, owner: str, taken: int, low: int) -> list[Message]:
    """Tell once that little is left, when it is taken."""
    left = state.available - taken
    if not taken or left >= low or state.low_below:
        return []
    return [LowBalance(owner=owner, available=left, threshold=low)]


def charge(state: Book, meter: Meter, until: Timestamp) -> list[Message]:
    """Charge an attempt that runs for the time since it was charged last."""
    hold = find_hold(state, meter.session, meter.attempt)
    return [] if hold is None else _charge(meter, hold, until)


def _charge(meter: Meter, hold: Hold, now: Timestamp) -> list[Message]:
    since, until = _since(meter, hold), _covered(meter, hold, now)
    if until.ToNanoseconds() <= since.ToNanoseconds():
        return []
    return [_charged(meter, hold, since, until)]


def _since(meter: Meter, hold: Hold) -> Timestamp:
    return hold.charged_until if hold.HasField("charged_until") else meter.started


def _covered(meter: Meter, hold: Hold, now: Timestamp) -> Timestamp:
    """Return until when the hold lasts, if that is before now: no other time can be charged."""
    if hold.rate == 0 or left_milliseconds(meter, hold, now) >= 0:
        return now
    return rates.later(meter.started, _covered_milliseconds(hold))


def _due(meter: Meter, hold: Hold, until: Timestamp) -> int:
    """Return what an attempt costs from its beginning on: parts lose nothing by rounding.

    It is never more than was held.
    """
    cost = rates.cost(hold.rate, rates.milliseconds(meter.started, until))
    return min(cost, hold.amount + hold.charged)


def _charged(meter: Meter, hold: Hold, since: Timestamp, until: Timestamp) -> Charged:
    charged = Charged(
        session=meter.session,
        attempt=meter.attempt,
        started=since,
        ended=until,
        amount=_due(meter, hold, until) - hold.charged,
        rate=hold.rate,
    )
    return _moved(meter.owner, charged)


def _refunded(meter: Meter, hold: Hold) -> Refunded:
    refunded = Refunded(
        session=meter.session,
        attempt=meter.attempt,
        started=meter.ended,
        ended=hold.charged_until,
        amount=hold.charged - _due(meter, hold, meter.ended),
        rate=hold.rate,
    )
    return _moved(meter.owner, refunded)


def look_after(
    state: Book, meters: Iterable[Meter], now: datetime, policy: Policy
) -> list[Message]:
    """Charge an owner's running sessions where it is time, and set more aside where it runs out."""
    holds = {(hold.session, hold.attempt): hold for hold in state.holds}
    time = rates.timestamp(now)
    events: list[Message] = []
    owner, taken = "", 0
    for meter in meters:
        hold = holds.get((meter.session, meter.attempt))
        if hold is None or hold.rate == 0 or len(events) >= _AT_ONCE:
            continue
        owner = meter.owner
        if rates.milliseconds(_since(meter, hold), time) >= policy.charge_seconds * 1_000:
            events += _charge(meter, hold, time)
        is_short = left_milliseconds(meter, hold, time) <= rates.EXTEND_SECONDS * 1_000
        if is_short and taken < state.available:
            held = _held(owner, hold, state.available - taken)
            taken += held.amount
            events.append(held)
    return [*events, *_warning(state, owner, taken, policy.low)]


def left_milliseconds(meter: Meter, hold: Hold, now: Timestamp) -> int:
    """Return how long what was held for an attempt still lasts; below zero: it is used up."""
    return _covered_milliseconds(hold) - rates.milliseconds(meter.started, now)


def _covered_milliseconds(hold: Hold) -> int:
    return rates.covered_milliseconds(hold.rate, hold.amount + hold.charged)


def used_up(state: Book, meters: Iterable[Meter], now: datetime) -> list[Meter]:
    """Return who has used up what was held for them, when no more can be set aside."""
    if state.available:
        return []
    holds = {(hold.session, hold.attempt): hold for hold in state.holds if hold.rate}
    time = rates.timestamp(now)
    known = ((meter, holds.get((meter.session, meter.attempt))) for meter in meters)
    return [meter for meter, hold in known if hold and left_milliseconds(meter, hold, time) <= 0]


def notified(_state: Book, about: str, channel: str) -> list[Message]:
    """Note that an owner was told of something."""
    return [Notified(about=about, channels=[channel])]


def settle(state: Book, meter: Meter, low: int = 0) -> list[Message]:
    """Charge an attempt that has ended for the time it ran, and give back the rest of its hold.

    What it was charged for beyond its end is refunded. One that never started costs nothing. What
    was not set aside in time, because nobody looked, is set aside now, as far as there is credit.
    """
    hold = find_hold(state, meter.session, meter.attempt)
    if hold is None:
        return []
    if not meter.HasField("started"):
        return [_released(meter.owner, meter.session, meter.attempt, hold.amount)]
    more = _held_late(state, meter, hold)
    whole = Hold()
    whole.CopyFrom(hold)
    whole.amount += sum(held.amount for held in more)
    warning = _warning(state, meter.owner, whole.amount - hold.amount, low)
    last = _last_part(meter, whole)
    due = _due(meter, whole, meter.ended) if last else whole.charged
    rest = whole.amount + whole.charged - due
    return [*more, *warning, *last, _released(meter.owner, meter.session, meter.attempt, rest)]


def _held_late(state: Book, meter: Meter, hold: Hold) -> list[Held]:
    cost = rates.cost(hold.rate, rates.milliseconds(meter.started, meter.ended))
    amount = min(cost - hold.amount - hold.charged, state.available)
    if amount <= 0:
        return []
    held = Held(session=hold.session, attempt=hold.attempt, amount=amount, rate=hold.rate)
    return [_moved(meter.owner, held)]


def _last_part(meter: Meter, hold: Hold) -> list[Message]:
    since = _since(meter, hold)
    if not hold.HasField("charged_until") or since.ToNanoseconds() < meter.ended.ToNanoseconds():
        return [_charged(meter, hold, since, meter.ended)]
    return [] if since == meter.ended else [_refunded(meter, hold)]


def cancel(state: Book, *, owner: str, session: str, attempt: int) -> list[Message]:
    """Give back the whole hold of an attempt that never came to be placed."""
    hold = find_hold(state, session, attempt)
    return [_released(owner, session, attempt, hold.amount)] if hold is not None else []


def _released(owner: str, session: str, attempt: int, amount: int) -> Released:
    return _moved(owner, Released(session=session, attempt=attempt, amount=amount))


def _moved(owner: str, event: M) -> M:
    event.postings.extend(postings(owner, event))
    return event
