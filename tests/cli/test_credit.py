"""`nsml credit` and `nsml admin credit`: what is asked for, what is shown, what is refused."""

import json
from collections.abc import Callable

import pytest

from nsml_core import errors
from nsml_protos import ledger_pb2
from nsml_protos.ledger_pb2 import Allowance, AuditReply, Book, Difference
from tests.cli.conftest import Peer, Result

Run = Callable[..., Result]


def test_a_grant_is_asked_for_in_gpu_milliseconds(peer: Peer, nsml: Run) -> None:
    peer.answer("Ledger/Grant", Book(owner="bob", available=90_000))

    result = nsml("credit", "grant", "bob", "0.5", "-m", "thanks")
    nsml("credit", "grant", "bob", "100", "--key", "k")

    assert result == (0, "bob has 1.50 credits\n", "")
    first, second = peer.requests("Ledger/Grant")
    assert (first.owner, first.amount, first.reason) == ("bob", 30_000, "thanks")
    assert len(first.key) == 32
    assert (second.amount, second.key) == (6_000_000, "k")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("bob", "-5"), "no number of credits"),
        (("bob", "-0.5"), "no number of credits"),
        (("bob", "many"), "no number of credits"),
        (("bob", "nan"), "no number of credits"),
        (("bob", "1e3"), "no number of credits"),
        (("bob", "٣"), "no number of credits"),
        (("bob", "1000000000001"), "at most 1,000,000,000,000"),
        (("bob", "9" * 400), "at most 1,000,000,000,000"),
        (("bob", "0.00001"), "too fine"),
        (("b b", "1"), "no name of a user or a team"),
        (("../b", "1"), "no name of a user or a team"),
        (("", "1"), "no name of a user or a team"),
        (("b" * 21, "1"), "no name of a user or a team"),
    ],
)
@pytest.mark.parametrize("command", ["grant", "allowance"])
def test_bad_input_is_one_sentence_and_is_not_sent(
    peer: Peer, nsml: Run, command: str, words: tuple[str, ...], said: str
) -> None:
    more = ("--every", "day") if command == "allowance" else ()

    result = nsml("credit", command, *words, *more)

    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert result.err.count("\n") == 1
    assert peer.asked == []


def test_what_the_ledger_refuses_is_said(peer: Peer, nsml: Run) -> None:
    peer.answer("Ledger/Grant", errors.NotPermitted("Only an admin grants credit."))

    assert nsml("credit", "grant", "bob", "1") == (4, "", "Error: Only an admin grants credit.\n")


def test_an_allowance_is_set_and_ended(peer: Peer, nsml: Run) -> None:
    weekly = Allowance(amount=6_000_000, period=ledger_pb2.WEEK, granted="2026-11-16")
    peer.answer("Ledger/SetAllowance", Book(owner="bob", allowance=weekly))

    said = nsml("credit", "allowance", "bob", "100", "--every", "week").out
    peer.answer("Ledger/SetAllowance", Book(owner="bob"))
    ended = [nsml("credit", "allowance", "bob", *words).out for words in (("--none",), ("0",))]

    assert said == "bob gets 100.00 every week, given for the week from 2026-11-16\n"
    assert ended == ["bob gets nothing by itself\n"] * 2
    request = ledger_pb2.SetAllowanceRequest(owner="bob", amount=6_000_000, period=ledger_pb2.WEEK)
    none = ledger_pb2.SetAllowanceRequest(owner="bob")
    assert peer.requests("Ledger/SetAllowance") == [request, none, none]


@pytest.mark.parametrize(
    "words", [("bob",), ("bob", "1"), ("bob", "1", "--none"), ("bob", "1", "--every", "year")]
)
def test_half_an_allowance_is_refused(peer: Peer, nsml: Run, words: tuple[str, ...]) -> None:
    assert nsml("credit", "allowance", *words).code == 2
    assert peer.asked == []


def test_a_book_shows_allowance_and_warning(peer: Peer, nsml: Run) -> None:
    daily = Allowance(amount=60_000, period=ledger_pb2.DAY, granted="2026-11-20")
    book = Book(owner="bob", available=60_000, low_below=120_000, allowance=daily)
    peer.answer("Ledger/Balance", book)

    shown = nsml("credit", "--of", "bob")
    as_json = nsml("credit", "--of", "bob", "-j")
    then = nsml("credit", "--at", "1h")

    assert shown.out.splitlines() == [
        "User : bob credit 1.00",
        "Allowance : 1.00 every day, given for the day from 2026-11-20",
    ]
    assert shown.err.startswith("Low credit: 1.00 left, less than 2.00")
    assert then.err == as_json.err == ""
    assert [request.owner for request in peer.requests("Ledger/Balance")] == ["bob", "bob", ""]
    found = json.loads(as_json.out)
    assert found["low_below_gpu_ms"] == 120_000
    assert found["allowance"] == {
        "amount_gpu_ms": 60_000,
        "every": "day",
        "granted_from": "2026-11-20",
    }


def test_a_history_adds_parts_up_unless_each_is_asked_for(peer: Peer, nsml: Run) -> None:
    peer.answer("Ledger/Statement", ledger_pb2.StatementReply())

    for words in ((), ("-v",), ("--all",), ("-j",), ("--of", "bob")):
        assert nsml("credit", "history", *words).code == 0

    asked = [(one.by_attempt, one.owner) for one in peer.requests("Ledger/Statement")]
    assert asked == [(True, ""), (False, ""), (False, ""), (False, ""), (True, "bob")]
    assert "Write --of behind the word" in nsml("credit", "--of", "bob", "history").err


def test_what_moves_nothing_shows_no_amounts(peer: Peer, nsml: Run) -> None:
    told = ledger_pb2.StatementLine(event="LowBalance", reason="little is left")
    peer.answer("Ledger/Statement", ledger_pb2.StatementReply(lines=[told]))

    assert nsml("credit", "history").out.splitlines()[1].split() == [
        *("LowBalance", "little", "is", "left")
    ]


COUNTS = AuditReply(entries=12_345, books=2, attempts=30, holds=29, position=9, end=9)


def test_an_audit_that_finds_nothing_says_none(peer: Peer, nsml: Run) -> None:
    peer.answer("Ledger/Audit", [AuditReply(entries=5, position=5, end=9), COUNTS])

    result = nsml("admin", "credit", "audit")

    assert result == (
        0,
        "12,345 entries, 2 books, 30 attempts, 29 holds; differences: none\n",
        "",
    )


def test_what_an_audit_finds_is_named(peer: Peer, nsml: Run) -> None:
    one = Difference(name="ann/None/1#1", what="5 was charged, and its 6 ms cost 6")
    two = Difference(name="ann", sequence=7, what="ann:available is -1 after it")
    peer.answer("Ledger/Audit", [AuditReply(differences=[two]), COUNTS, AuditReply(
        entries=12_345, differences=[one]
    )])  # fmt: skip

    result = nsml("admin", "credit", "audit")
    as_json = nsml("admin", "credit", "audit", "-j")

    assert result.code == as_json.code == 1
    assert result.out.splitlines()[:2] == [
        "ann at 7: ann:available is -1 after it",
        "ann/None/1#1: 5 was charged, and its 6 ms cost 6",
    ]
    assert "2 differences" in result.err
    assert json.loads(as_json.out)["differences"] == [
        {"name": "ann", "sequence": 7, "what": two.what},
        {"name": "ann/None/1#1", "sequence": None, "what": one.what},
    ]


def test_only_an_admin_audits(peer: Peer, nsml: Run) -> None:
    peer.answer("Ledger/Audit", errors.NotPermitted("Only an admin audits the ledger."))

    result = nsml("admin", "credit", "audit")

    assert result == (4, "", "Error: Only an admin audits the ledger.\n")
