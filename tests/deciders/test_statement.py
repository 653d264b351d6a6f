"""A book as it is read: what each event says, and what an attempt comes to."""

from nsml_ledger.statement import added_up, statement_line
from nsml_protos.ledger_pb2 import AllowanceSet, Period, StatementLine
from tests.deciders.books import at, granted, held, low, part, refunded, released


def test_allowances_and_warnings_are_said_in_words() -> None:
    weekly = AllowanceSet(owner="ann", amount=90_000, period=Period.WEEK)

    assert statement_line(weekly).reason == "an allowance of 1.5 every week"
    assert statement_line(AllowanceSet(owner="ann")).reason == "no allowance any more"
    assert statement_line(low(5, 3_600_000)).reason == "less than 60 credits are left"
    assert statement_line(granted(5, reason="thanks")).available == 5


def test_parts_of_an_attempt_are_added_up() -> None:
    events = [
        held(600),
        part(60, at(0), at(60)),
        held(600),
        part(60, at(60), at(120)),
        refunded(20, at(100), at(120)),
        released(1_100),
    ]

    line = added_up([statement_line(event) for event in events])

    assert line == StatementLine(
        event="Charged",
        session="s",
        attempt=1,
        started=at(0),
        ended=at(100),
        amount=100,
        rate=1000,
        available=-100,
    )


def test_what_is_held_and_not_charged_is_shown_as_it_is() -> None:
    waiting = added_up([statement_line(held(600))])
    given_back = added_up([statement_line(held(600)), statement_line(released(600))])

    assert (waiting.event, waiting.amount, waiting.available) == ("Held", 600, -600)
    assert (given_back.event, given_back.amount, given_back.available) == ("Released", 600, 0)
