"""What the ledger does as time goes by: charge what runs, grant what is due, close what is left."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

from nsml_core.calls import Call, enter
from nsml_core.clients import ask
from nsml_core.database import AWAY
from nsml_core.errors import Error
from nsml_core.store import Store
from nsml_core.telemetry import Message
from nsml_core.views import View
from nsml_ledger import allowance, decide
from nsml_ledger.policy import Prices
from nsml_ledger.react import ME, Reactions
from nsml_ledger.state import METER
from nsml_ledger.views import books_with_holds, meters_of, owners_due
from nsml_protos.ledger_pb2 import Book, Hold, Meter
from nsml_protos.session_pb2 import StopRequest
from nsml_protos.session_pb2_grpc import SessionsStub

_TICK_SECONDS = 1.0
_ALLOWANCE_SECONDS = 5.0
_LEFTOVER_SECONDS = 30.0

_log = logging.getLogger("nsml.ledger")


class Watch:
    """Looks at the clock, and at what is still owed after a restart."""

    def __init__(
        self,
        books: Store[Book],
        view: View,
        reactions: Reactions,
        sessions: SessionsStub,
        prices: Prices,
    ) -> None:
        self._books = books
        self._view = view
        self._reactions = reactions
        self._sessions = sessions
        self._policy = decide.Policy(prices.charge_seconds, prices.low)

    async def run(self) -> None:
        """Look after everything, for ever."""
        tick = min(_TICK_SECONDS, self._policy.charge_seconds)
        await asyncio.gather(
            _every(tick, self._charge),
            _every(_ALLOWANCE_SECONDS, self._grant_allowances),
            _every(_LEFTOVER_SECONDS, self._settle_leftovers),
        )

    async def _charge(self) -> None:
        """Charge the sessions that run, owner by owner, and stop those whose credit is used up."""
        running: dict[str, list[Meter]] = defaultdict(list)
        for meter in self._reactions.running():
            running[meter.owner].append(meter)
        for owner, meters in running.items():
            await _reported(owner, partial(self._look_after, owner, meters))

    async def _look_after(self, owner: str, meters: list[Meter]) -> None:
        context = Call(ME).context()
        after = await self._books.decide(
            owner,
            context,
            lambda state: decide.look_after(state, meters, context.time, self._policy),
        )
        for meter in decide.used_up(after, meters, context.time):
            await _reported(meter.session, partial(self._stop, meter.session))

    async def _stop(self, session: str) -> None:
        enter(Call(ME))
        reason = "NOT_ENOUGH_CREDIT: its credit is used up"
        await ask(self._sessions.Stop(StopRequest(name=session, reason=reason)))

    async def _grant_allowances(self) -> None:
        now = datetime.now(UTC)
        for owner in await owners_due(self._view, now):
            await self._books.decide(
                owner, Call(ME).context(), lambda state: allowance.due(state, now)
            )

    async def _settle_leftovers(self) -> None:
        """Close the holds whose attempts ended unseen: while this service was away."""
        books = await books_with_holds(self._view)
        holds = [hold for book in books for hold in book.holds]
        left = [hold for hold in holds if not self._reactions.lives(hold.session, hold.attempt)]
        meters = await meters_of(self._view, [hold.session for hold in left]) if left else {}
        for hold in left:
            found = await self._end_of(hold, meters.get(hold.session))
            if found is not None:
                await self._reactions.settle(*found)

    async def _end_of(self, hold: Hold, meter: Meter | None) -> tuple[Meter, Message] | None:
        """Return how an attempt ended; of one before the latest only the log knows."""
        if meter is None or meter.attempt != hold.attempt:
            return await self._reactions.ended(hold.session, hold.attempt)
        has_ended = meter.HasField("ended")
        return (meter, Message(METER.subject(hold.session))) if has_ended else None


async def _every(seconds: float, duty: Callable[[], Awaitable[None]]) -> None:
    while True:
        await _reported(duty.__name__.strip("_"), duty)
        await asyncio.sleep(seconds)


async def _reported(name: str, duty: Callable[[], Awaitable[None]]) -> None:
    """Do something that is done again soon, whatever comes of it."""
    try:
        await duty()
    except Error as error:
        _log.warning("%s: %s", name, error.sentence)
    except AWAY as error:
        _log.warning("%s: PostgreSQL is or was away: %s", name, error)
