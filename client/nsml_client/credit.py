"""Credit: what is left, what became of the rest, and what admins grant; 1 is one GPU for a minute.

The ledger counts GPU-milliseconds, and so do the messages that come back: `in_credits` turns them
into credits without rounding.
"""

import re
from decimal import Decimal

from nsml_client import names
from nsml_client.access import new_key
from nsml_client.modes import M, Noun, operation
from nsml_core.errors import Invalid
from nsml_protos import ledger_pb2
from nsml_protos.ledger_pb2 import Book, StatementLine

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,19}")
_NUMBER = re.compile(r"[0-9]{1,13}(?:\.[0-9]+)?")
_GPU_MS_PER_CREDIT = 60_000
_MOST = 10**12
PERIODS = {
    "day": ledger_pb2.DAY,
    "week": ledger_pb2.WEEK,
    "month": ledger_pb2.MONTH,
}


class Credit(Noun[M]):
    """`client.credit`."""

    @operation
    async def balance(self, owner: str = "", *, at: names.At = "") -> Book:
        """Return your book; for admins, that of a user or a team.

        Raises:
            NotPermitted: The book is somebody else's.
        """
        whose = owned_by(owner) if owner else ""
        request = ledger_pb2.BalanceRequest(owner=whose, at_us=names.then(at).time_us)
        return await self._calls.call("Ledger/Balance", request, Book)

    @operation
    async def history(
        self, owner: str = "", *, limit: int = 0, by_attempt: bool = False
    ) -> list[StatementLine]:
        """Return what changed a book, the newest first; each attempt of a session in one, if asked.

        Raises:
            NotPermitted: The book is somebody else's.
        """
        request = ledger_pb2.StatementRequest(
            owner=owned_by(owner) if owner else "", limit=limit, by_attempt=by_attempt
        )
        reply = await self._calls.call("Ledger/Statement", request, ledger_pb2.StatementReply)
        return list(reply.lines)

    @operation
    async def grant(
        self, owner: str, number: Decimal | float | str, *, reason: str = "", key: str = ""
    ) -> Book:
        """Give a user or a team so many credits; for admins. The same key never grants twice.

        Raises:
            NotPermitted: You are no admin.
        """
        request = ledger_pb2.GrantRequest(
            owner=owned_by(owner),
            amount=amount(str(number)),
            reason=reason,
            key=key or new_key(),
        )
        return await self._calls.call("Ledger/Grant", request, Book)

    @operation
    async def set_allowance(
        self, owner: str, number: Decimal | float | str, *, every: str = ""
    ) -> Book:
        """Give a user or a team so many credits each `day`, `week` or `month`; 0 ends it.

        Raises:
            NotPermitted: You are no admin.
        """
        each = amount(str(number))
        if each and every not in PERIODS:
            raise Invalid("Say how often: every day, week or month.")
        period = PERIODS[every] if each else ledger_pb2.PERIOD_UNSPECIFIED
        request = ledger_pb2.SetAllowanceRequest(owner=owned_by(owner), amount=each, period=period)
        return await self._calls.call("Ledger/SetAllowance", request, Book)


def in_credits(gpu_ms: int) -> Decimal:
    """Return GPU-milliseconds as credits."""
    return Decimal(gpu_ms) / _GPU_MS_PER_CREDIT


def owned_by(text: str) -> str:
    """Read the name of a user or a team."""
    if not _NAME.fullmatch(text):
        raise Invalid(
            f"{text!r} is no name of a user or a team: use 1 to 20 of A-Z a-z 0-9 _ -, "
            "a letter or digit first."
        )
    return text


def amount(text: str) -> int:
    """Read a number of credits, such as 100 or 0.5; return GPU-milliseconds."""
    value = Decimal(text) * _GPU_MS_PER_CREDIT if _NUMBER.fullmatch(text) else Decimal(-1)
    if not 0 <= value <= _MOST * _GPU_MS_PER_CREDIT:
        raise Invalid(
            f"{text!r} is no number of credits: write it like 100 or 0.5, at most {_MOST:,}."
        )
    if value != value.to_integral_value():
        raise Invalid(f"{text!r} is too fine: the least is 1 GPU-millisecond, 1/60,000 credit.")
    return int(value)
