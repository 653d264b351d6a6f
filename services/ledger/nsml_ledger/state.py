"""What is true of an owner's book and of a session's meter, and how each event changes it."""

from datetime import datetime
from typing import assert_never

from google.protobuf.timestamp_pb2 import Timestamp

from nsml_core.decider import Aggregate, stamp
from nsml_protos.ledger_pb2 import (
    AllowanceSet,
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
from nsml_protos.session_pb2 import (
    Completed,
    Failed,
    Lost,
    Notified,
    Placed,
    Preempted,
    Requested,
    Resumed,
    Started,
    Stopped,
)

Event = Granted | Held | Charged | Refunded | Released | AllowanceSet | LowBalance | Notified

OPENING = "opening"
"""The key of a book's first credit."""

KEYS_KEPT = 1_000
"""A book remembers the keys of so many grants: it is copied whenever something happens to it."""


def evolve(state: Book, event: Event, _time: datetime) -> None:
    """Apply one event to a book."""
    match event:
        case Granted():
            state.owner = event.owner
            state.granted += event.amount
            _gain(state, event.amount)
            _remember(state, event)
        case Held():
            _hold(state, event).amount += event.amount
            state.available -= event.amount
            state.held += event.amount
        case Charged():
            _charge(state, _hold(state, event), event.amount, event.ended)
        case Refunded():
            _charge(state, _hold(state, event), -event.amount, event.started)
        case Released():
            state.held -= event.amount
            _gain(state, event.amount)
            state.holds.remove(_hold(state, event))
        case AllowanceSet():
            state.owner = event.owner
            state.allowance.amount = event.amount
            state.allowance.period = event.period
        case LowBalance():
            state.low_below = event.threshold
        case Notified():
            pass  # of the telling, not of the book
        case _:
            assert_never(event)


def _gain(state: Book, amount: int) -> None:
    state.available += amount
    if state.available >= state.low_below:
        state.low_below = 0


def _remember(state: Book, event: Granted) -> None:
    if event.period_begin:
        state.allowance.granted = event.period_begin
    elif event.key:
        state.grant_keys.append(event.key)
        if len(state.grant_keys) > KEYS_KEPT:
            del state.grant_keys[int(state.grant_keys[0] == OPENING)]


def _charge(state: Book, hold: Hold, amount: int, until: Timestamp) -> None:
    hold.amount -= amount
    hold.charged += amount
    hold.charged_until.CopyFrom(until)
    state.held -= amount
    state.spent += amount


def _hold(state: Book, event: Held | Charged | Refunded | Released) -> Hold:
    found = find_hold(state, event.session, event.attempt)
    if found is not None:
        return found
    rate = event.rate if isinstance(event, Held) else 0
    return state.holds.add(session=event.session, attempt=event.attempt, rate=rate)


def find_hold(state: Book, session: str, attempt: int) -> Hold | None:
    """Return what an attempt has set aside, if it has."""
    for hold in state.holds:
        if hold.session == session and hold.attempt == attempt:
            return hold
    return None


BOOK = Aggregate("ledger", Book, Event, evolve)


MeterEvent = (
    Requested | Resumed | Placed | Started | Completed | Failed | Stopped | Lost | Preempted
)


def evolve_meter(state: Meter, event: MeterEvent, time: datetime) -> None:
    """Apply one event of a session to its meter."""
    match event:
        case Requested() | Resumed():
            state.session = event.name
            state.owner = event.owner
            state.attempt = 1 + (event.attempt if isinstance(event, Resumed) else 0)
            state.ClearField("started")
            state.ClearField("ended")
        case Placed():
            state.attempt = event.attempt
            state.ClearField("started")
            state.ClearField("ended")
        case Started():
            stamp(state.started, time)
        case Completed() | Failed() | Stopped() | Preempted():
            stamp(state.ended, time)
        case Lost():
            stamp(state.ended, time)
            if event.HasField("last_seen"):
                _end_when_last_seen(state, event.last_seen)
        case _:
            assert_never(event)


def _end_when_last_seen(state: Meter, last_seen: Timestamp) -> None:
    """Nobody pays for the time in which the platform did not know that a runner was gone."""
    is_before = last_seen.ToNanoseconds() < state.started.ToNanoseconds()
    state.ended.CopyFrom(state.started if is_before else last_seen)


METER = Aggregate("session", Meter, MeterEvent, evolve_meter)
