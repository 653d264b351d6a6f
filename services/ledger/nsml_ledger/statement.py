"""A book as its owner reads it: a line for each event, or for each attempt of a session."""

from collections.abc import Sequence

from google.protobuf.message import Message

from nsml_ledger.allowance import WORDS
from nsml_ledger.rates import CREDIT
from nsml_protos.ledger_pb2 import (
    AllowanceSet,
    Charged,
    Granted,
    Held,
    LowBalance,
    Refunded,
    Released,
    StatementLine,
)


def statement_line(event: Message) -> StatementLine:
    """Return what a statement says of one event of a book."""
    match event:
        case Granted():
            line = StatementLine(reason=event.reason)
        case Held():
            line = StatementLine(session=event.session, attempt=event.attempt, rate=event.rate)
        case Released():
            line = StatementLine(session=event.session, attempt=event.attempt)
        case Charged() | Refunded():
            line = StatementLine(session=event.session, attempt=event.attempt, rate=event.rate)
            line.started.CopyFrom(event.started)
            line.ended.CopyFrom(event.ended)
        case AllowanceSet():
            return StatementLine(event="AllowanceSet", reason=_said(event))
        case LowBalance():
            below = event.threshold / CREDIT
            return StatementLine(event="LowBalance", reason=f"less than {below:g} credits are left")
        case _:
            raise TypeError(event)
    line.event = event.DESCRIPTOR.name
    line.amount = event.amount
    line.available = sum(
        posting.amount for posting in event.postings if posting.account.endswith(":available")
    )
    return line


def _said(event: AllowanceSet) -> str:
    if not event.amount:
        return "no allowance any more"
    return f"an allowance of {event.amount / CREDIT:g} every {WORDS[event.period]}"


def added_up(lines: Sequence[StatementLine]) -> StatementLine:
    """Return one line for those of an attempt, oldest first: what it was charged, and for when.

    One that was not charged is shown by what happened last.
    """
    total = StatementLine()
    total.CopyFrom(lines[-1])
    total.available = sum(line.available for line in lines)
    parts = [line for line in lines if line.event in {"Charged", "Refunded"}]
    if parts:
        first, last = parts[0], parts[-1]
        total.event, total.rate = "Charged", last.rate
        total.amount = sum(
            line.amount if line.event == "Charged" else -line.amount for line in parts
        )
        total.started.CopyFrom(first.started)
        total.ended.CopyFrom(last.started if last.event == "Refunded" else last.ended)
    return total
