"""The gRPC face of the ledger."""

import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from nsml_core import past
from nsml_core.authority import role_of
from nsml_core.calls import current, request_key
from nsml_core.errors import Exhausted, Invalid, NotFound, NotPermitted
from nsml_core.store import Store
from nsml_core.views import View
from nsml_ledger import allowance, decide, rates
from nsml_ledger.auditor import Auditor
from nsml_ledger.policy import Prices
from nsml_ledger.react import Reactions
from nsml_ledger.state import BOOK
from nsml_ledger.views import statement, statement_by_attempt
from nsml_protos.ledger_pb2 import (
    AffordReply,
    AffordRequest,
    AuditReply,
    AuditRequest,
    BalanceRequest,
    Book,
    CancelHoldRequest,
    GrantRequest,
    HoldReply,
    HoldRequest,
    SetAllowanceRequest,
    StatementReply,
    StatementRequest,
)
from nsml_protos.ledger_pb2_grpc import LedgerServicer

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,19}")


class Ledger(LedgerServicer):
    """Keeps everybody's book."""

    def __init__(
        self, books: Store[Book], view: View, reactions: Reactions, prices: Prices
    ) -> None:
        self._books = books
        self._view = view
        self._reactions = reactions
        self._prices = prices

    async def _book(self, owner: str) -> Book:
        """Return an owner's book.

        It is opened, with its first credit, when it is first asked for.
        """
        return await self._books.decide(
            owner,
            current().context(),
            lambda state: decide.open_book(state, owner=owner, amount=self._prices.opening),
        )

    async def Balance(self, request: BalanceRequest, context: Any) -> Book:
        owner = _owner(request.owner)
        if request.at_us:
            return await self._balance_at(owner, past.moment(request.at_us))
        found = await (self._book(owner) if _is_mine(owner) else self._others_book(owner))
        book = Book()
        book.CopyFrom(found)
        book.owner = owner
        return book

    async def _others_book(self, owner: str) -> Book:
        """Return a book that is looked at by somebody else: it is not opened by that."""
        book = await self._books.get(owner)
        if not book.owner:
            raise NotFound(
                f"There is no book of {owner} yet: it begins with a grant, or when {owner} first "
                "looks at it."
            )
        return book

    async def _balance_at(self, owner: str, time: datetime) -> Book:
        await self._view.wait_for(current().position)
        records = await past.history(self._view, [BOOK.subject(owner)])
        kept = past.until(records, time)
        if not kept:
            raise NotFound(f"{owner} had no book yet: `nsml credit history` shows when it began.")
        book = past.fold(BOOK, kept)
        book.owner = owner
        return book

    async def Statement(self, request: StatementRequest, context: Any) -> StatementReply:
        owner = _owner(request.owner)
        if not _is_mine(owner):
            await self._others_book(owner)
        read = statement_by_attempt if request.by_attempt else statement
        return StatementReply(lines=await read(self._view, owner, request.limit))

    async def Grant(self, request: GrantRequest, context: Any) -> Book:
        call = current()
        owner = _owner(request.owner)
        return await self._books.decide(
            owner,
            call.context(),
            lambda state: decide.grant(
                state,
                owner=owner,
                amount=request.amount,
                reason=request.reason,
                key=request_key(request.key),
            ),
        )

    async def SetAllowance(self, request: SetAllowanceRequest, context: Any) -> Book:
        owner, stamped = _owner(request.owner), current().context()
        return await self._books.decide(
            owner,
            stamped,
            lambda state: allowance.set_allowance(
                state,
                owner=owner,
                amount=request.amount,
                period=request.period,
                now=stamped.time,
            ),
        )

    async def Audit(self, request: AuditRequest, context: Any) -> AsyncIterator[AuditReply]:
        async for reply in Auditor(self._view).walk():
            yield reply

    async def Afford(self, request: AffordRequest, context: Any) -> AffordReply:
        book = await self._book(request.owner)
        rate = self._rate(request)
        return AffordReply(enough=decide.afford(book, rate), available=book.available, rate=rate)

    async def PlaceHold(self, request: HoldRequest, context: Any) -> HoldReply:
        session, attempt = request.session, request.attempt
        lives = self._reactions.lives(session, attempt)
        if not lives and await self._reactions.ended(session, attempt):
            return HoldReply(enough=True)  # asked again, too late: its hold was closed
        try:
            await self._books.decide(
                request.owner,
                current().context(),
                lambda state: decide.place_hold(
                    state,
                    owner=request.owner,
                    session=session,
                    attempt=attempt,
                    rate=self._rate(request),
                    low=self._prices.low,
                ),
            )
        except Exhausted:
            return HoldReply(enough=False)
        return HoldReply(enough=True)

    def _rate(self, request: AffordRequest | HoldRequest) -> int:
        return rates.rate(request.gpus, request.cpus, self._prices.cpu_rate)

    async def CancelHold(self, request: CancelHoldRequest, context: Any) -> Book:
        return await self._books.decide(
            request.owner,
            current().context(),
            lambda state: decide.cancel(
                state, owner=request.owner, session=request.session, attempt=request.attempt
            ),
        )


def _is_mine(owner: str) -> bool:
    caller = current().caller
    return caller.kind != "user" or role_of(caller, owner) > 0


def _owner(asked: str) -> str:
    """Return whose book is meant: who is named, or whom the caller acts for."""
    owner = asked or current().owner
    if not current().sees(owner):
        raise NotPermitted(f"The book of {owner} is theirs to read.")
    if not _NAME.fullmatch(owner):
        raise Invalid(
            f"'{owner}' is not a name: use 1 to 20 letters, digits, - or _, "
            "beginning with a letter or digit."
        )
    return owner
