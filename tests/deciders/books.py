"""Events of books, and what may be asked of one, as examples of them are written."""

from datetime import timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from nsml_ledger import decide, rates
from nsml_protos.ledger_pb2 import (
    Book,
    Charged,
    Granted,
    Held,
    LowBalance,
    Meter,
    Posting,
    Refunded,
    Released,
)
from tests.deciders.given import NOON, Decision

GPU = rates.GPU_RATE
HOLD = GPU * rates.HOLD_SECONDS


def postings(source: str, target: str, amount: int) -> list[Posting]:
    return [Posting(account=source, amount=-amount), Posting(account=target, amount=amount)]


def granted(amount: int, key: str = "", reason: str = "") -> Granted:
    moved = postings("grants", "ann:available", amount)
    return Granted(owner="ann", amount=amount, key=key, reason=reason, postings=moved)


def held(amount: int, *, rate: int = GPU, session: str = "s", attempt: int = 1) -> Held:
    moved = postings("ann:available", "ann:held", amount)
    return Held(session=session, attempt=attempt, amount=amount, rate=rate, postings=moved)


def charged(amount: int, meter: Meter, rate: int = GPU) -> Charged:
    return part(amount, meter.started, meter.ended, rate, meter.session, meter.attempt)


def part(
    amount: int,
    started: Timestamp,
    ended: Timestamp,
    rate: int = GPU,
    session: str = "s",
    attempt: int = 1,
) -> Charged:
    return Charged(
        session=session,
        attempt=attempt,
        started=started,
        ended=ended,
        amount=amount,
        rate=rate,
        postings=postings("ann:held", "spent", amount),
    )


def refunded(amount: int, started: Timestamp, ended: Timestamp, rate: int = GPU) -> Refunded:
    return Refunded(
        session="s",
        attempt=1,
        started=started,
        ended=ended,
        amount=amount,
        rate=rate,
        postings=postings("spent", "ann:held", amount),
    )


def released(amount: int, session: str = "s", attempt: int = 1) -> Released:
    moved = postings("ann:held", "ann:available", amount)
    return Released(session=session, attempt=attempt, amount=amount, postings=moved)


def low(available: int, threshold: int) -> LowBalance:
    return LowBalance(owner="ann", available=available, threshold=threshold)


def at(seconds: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(NOON + timedelta(seconds=seconds))
    return stamp


def ran(seconds: float, session: str = "s", attempt: int = 1) -> Meter:
    return Meter(session=session, owner="ann", attempt=attempt, started=at(0), ended=at(seconds))


def runs(session: str = "s", attempt: int = 1) -> Meter:
    return Meter(session=session, owner="ann", attempt=attempt, started=at(0))


def grant(amount: int, key: str = "") -> Decision[Book]:
    return lambda state: decide.grant(state, owner="ann", amount=amount, reason="", key=key)


def open_book(amount: int) -> Decision[Book]:
    return lambda state: decide.open_book(state, owner="ann", amount=amount)


def place(*, session: str = "s", attempt: int = 1, rate: int = GPU, low: int = 0) -> Decision[Book]:
    return lambda state: decide.place_hold(
        state, owner="ann", session=session, attempt=attempt, rate=rate, low=low
    )


def extend(*, session: str = "s", attempt: int = 1, low: int = 0) -> Decision[Book]:
    return lambda state: decide.extend_hold(
        state, owner="ann", session=session, attempt=attempt, low=low
    )


def cancel(*, session: str = "s", attempt: int = 1) -> Decision[Book]:
    return lambda state: decide.cancel(state, owner="ann", session=session, attempt=attempt)


def settle(meter: Meter, low: int = 0) -> Decision[Book]:
    return lambda state: decide.settle(state, meter, low)


def charge(seconds: float, *, session: str = "s", attempt: int = 1) -> Decision[Book]:
    """Charge what has run until now."""
    return lambda state: decide.charge(state, runs(session, attempt), at(seconds))


def look(seconds: float, *meters: Meter, every: float = 60, low: int = 0) -> Decision[Book]:
    """Look after what runs, so many seconds after it started."""
    policy = decide.Policy(every, low)
    now = NOON + timedelta(seconds=seconds)
    return lambda state: decide.look_after(state, meters or [runs()], now, policy)
