"""Who of the replicas of a service reacts to what happened: one, and soon another if it is gone.

All replicas see every entry and keep what they know of it; only the leader acts. What its
predecessor left undone it owes when it begins; what happens from then on it is told. A service
without replicas leads from its start to its end.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from nsml_core.database import AWAY
from nsml_core.entry import Recorded
from nsml_core.errors import Unavailable
from nsml_core.sole import Ended, Lease
from nsml_core.views import Seen, View

Owed = Callable[[int], Awaitable[None]]
"""Does what is owed for the entries up to one; what comes after it is told.

It begins anew where the database falls meanwhile.
"""

Work = Callable[[], Awaitable[None]]

_AGAIN_SECONDS = 0.2

_log = logging.getLogger("nsml.lead")


class Lead:
    """What the leader does."""

    def __init__(self, view: View, lease: Lease | None) -> None:
        self._view = view
        self._lease = lease
        self._seen: list[Seen] = []
        self._owed: list[Owed] = []
        self._works: list[Work] = []
        self._has_begun = False
        view.after(self._pass_on)

    @property
    def is_here(self) -> bool:
        """Whether this replica leads, and nobody else can by now."""
        return self._has_begun and (self._lease is None or self._lease.is_held)

    def after(self, seen: Seen) -> None:
        """Tell the leader of each batch of entries."""
        self._seen.append(seen)

    def owes(self, owed: Owed) -> None:
        """Have the leader do this when it begins."""
        self._owed.append(owed)

    def beside(self, work: Work) -> None:
        """Have the leader do this for as long as it leads."""
        self._works.append(work)

    async def _pass_on(self, entries: list[Recorded]) -> None:
        if self.is_here:
            for seen in self._seen:
                await seen(entries)

    async def run(self) -> None:
        """Lead whenever it is this replica's turn, for ever."""
        if self._lease is None:
            await self._serve()
            return
        try:
            while True:
                await self._lease.wait()
                await self._serve_while_held(self._lease)
        finally:
            await self._lease.close()

    async def _serve_while_held(self, lease: Lease) -> None:
        both = [asyncio.create_task(lease.keep()), asyncio.create_task(self._serve())]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in both:
                if task.done():
                    task.result()
        except Ended as ended:
            _log.warning("leads no more: %s", ended)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            await lease.close()

    async def _serve(self) -> None:
        if self._lease is not None:
            try:  # what the one before noted last, too
                await self._view.see_all()
            except Unavailable as error:
                raise Ended(error.sentence) from error
        async with self._view.between_batches() as told:
            self._has_begun = True
        try:
            for owed in self._owed:
                await _do(owed, told)
            await asyncio.gather(asyncio.Event().wait(), *(work() for work in self._works))
        finally:
            self._has_begun = False


async def _do(owed: Owed, told: int) -> None:
    while True:
        try:
            await owed(told)
        except AWAY as error:
            _log.warning("PostgreSQL is or was away: %s", error)
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            return
