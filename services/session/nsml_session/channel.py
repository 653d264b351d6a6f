"""A bounded way from one stream to another, which either end may close."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Channel(Generic[T]):
    """What is put in comes out in order; whoever puts in waits while it is full."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._words: deque[T] = deque()
        self._changed = asyncio.Condition()
        self._is_closed = False

    async def put(self, word: T) -> bool:
        """Put a word in; False if the channel is closed."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._is_closed or len(self._words) < self._limit)
            if not self._is_closed:
                self._words.append(word)
                self._changed.notify_all()
            return not self._is_closed

    async def close(self) -> None:
        """Let nothing more in; what is in still comes out."""
        async with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    async def __aiter__(self) -> AsyncIterator[T]:
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._is_closed or self._words)
                if not self._words:
                    return
                word = self._words.popleft()
                self._changed.notify_all()
            yield word


async def fill(channel: Channel[T], words: AsyncIterator[T]) -> None:
    """Put in all that comes, then close the channel, also when what it comes from breaks."""
    try:
        async for word in words:
            if not await channel.put(word):
                return
    finally:
        await channel.close()
