"""The accounts of a book, and how much goes from one to another when something happens."""

from typing import assert_never

from nsml_protos.ledger_pb2 import Charged, Granted, Held, Posting, Refunded, Released

Move = Granted | Held | Charged | Refunded | Released

GRANTS, SPENT = "grants", "spent"


def available(owner: str) -> str:
    """Return the account of what an owner can still use."""
    return f"{owner}:available"


def held(owner: str) -> str:
    """Return the account of what an owner has set aside."""
    return f"{owner}:held"


def postings(owner: str, event: Move) -> list[Posting]:
    """Return what an event of an owner's book takes from one account and gives to another."""
    match event:
        case Granted():
            return _transfer(GRANTS, available(owner), event.amount)
        case Held():
            return _transfer(available(owner), held(owner), event.amount)
        case Charged():
            return _transfer(held(owner), SPENT, event.amount)
        case Refunded():
            return _transfer(SPENT, held(owner), event.amount)
        case Released():
            return _transfer(held(owner), available(owner), event.amount)
        case _:
            assert_never(event)


def _transfer(source: str, target: str, amount: int) -> list[Posting]:
    return [Posting(account=source, amount=-amount), Posting(account=target, amount=amount)]
