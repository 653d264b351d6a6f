"""Orders for runners, at whichever replica their lines are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nsml_core.between import Between
from nsml_protos.session_pb2 import Order
from nsml_session.live import Hub

_HEARD = b"heard"


class Orders:
    """Hands an order to each line that a session's runner holds; of an old one too."""

    def __init__(self, between: Between | None) -> None:
        self._between = between
        self._hub: Hub[Order] = Hub()

    async def tell(self, name: str, order: Order) -> None:
        """Give an order to a session's runner, if it is there."""
        if self._between is None:
            self._hub.tell(name, order)
        else:
            await self._between.ask(_topic(name), order.SerializeToString())

    async def is_heard(self, name: str) -> bool:
        """Tell whether a session's runner is there."""
        if self._between is None:
            return self._hub.is_heard(name)
        return await self._between.ask(_topic(name), b"") == _HEARD

    @asynccontextmanager
    async def listening(self, name: str) -> AsyncIterator["asyncio.Queue[Order]"]:
        """Take orders for as long as the block runs."""
        with self._hub.listening(name) as queue:
            if self._between is None:
                yield queue
                return

            async def take(word: bytes) -> bytes:
                if word:
                    queue.put_nowait(Order.FromString(word))
                return _HEARD

            async with self._between.listening(_topic(name), take):
                yield queue


def _topic(name: str) -> str:
    return f"orders.{name}"
