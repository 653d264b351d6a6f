"""A queue in which no session keeps another one waiting: each has a lane, taken in turn."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Lane(Generic[T]):
    """What waits of one session; whoever brings more than it holds waits too."""

    items: deque[tuple[T, int]] = field(default_factory=deque)
    has_room: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0
    """How many wait for room, or have just got it."""


class FairQueue(Generic[T]):
    """Holds a few items of each session, and gives them out in batches of bounded size."""

    def __init__(self, lane_items: int, batch_bytes: int) -> None:
        self._lane_items = lane_items
        self._batch_bytes = batch_bytes
        self._lanes: dict[str, _Lane[T]] = {}
        self._turn: deque[str] = deque()
        self._filled = asyncio.Event()

    async def put(self, session: str, item: T, size: int) -> None:
        """Add an item, once its session has room."""
        lane = self._lanes.setdefault(session, _Lane())
        while len(lane.items) >= self._lane_items:
            lane.has_room.clear()
            lane.waiting += 1
            try:
                await lane.has_room.wait()
            finally:
                lane.waiting -= 1
        if not lane.items:
            self._turn.append(session)
        lane.items.append((item, size))
        self._filled.set()

    async def take(self) -> list[T]:
        """Return what waits, one item of each session in turn, up to a batch; at least one."""
        while not self._turn:
            self._filled.clear()
            await self._filled.wait()
        batch: list[T] = []
        room = self._batch_bytes
        while self._turn and (room > 0 or not batch):
            item, size = self._next()
            batch.append(item)
            room -= size
        return batch

    def _next(self) -> tuple[T, int]:
        session = self._turn.popleft()
        lane = self._lanes[session]
        found = lane.items.popleft()
        lane.has_room.set()
        if lane.items:
            self._turn.append(session)
        elif not lane.waiting:
            del self._lanes[session]
        return found
