"""What many readers follow at once is read from the services once, and told to all of them."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Hashable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from nsml_client.aio import AsyncClient

_BYTES_MAX = 4 << 20
_BATCHES_MIN = 64


@dataclass(frozen=True)
class Batch:
    """Some of what is told, as it is sent; each row has a mark, from which readers may go on."""

    data: bytes
    rows: Sequence[object] = ()
    marks: Sequence[str] = ()


Told = AsyncGenerator[Batch, None]
Source = Callable[[], Told]

CAUGHT_UP = Batch(b"")
"""Told by a source once: what comes is new."""


class FellBehindError(Exception):
    """What a reader wants next is kept no more: it has to read by itself."""


class Channel:
    """One source, and the newest of what it has told."""

    def __init__(self, client: AsyncClient, source: Source) -> None:
        self.client = client
        """Who reads for all; each reader was let in by itself."""

        self.readers = 0
        self.first = 0
        """The number of the oldest batch that is kept."""

        self._batches: deque[Batch] = deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self._is_caught_up = asyncio.Event()
        self._reading = asyncio.create_task(self._read(source))
        self._reading.add_done_callback(self._end)

    @property
    def is_over(self) -> bool:
        return self._reading.done()

    def batch(self, number: int) -> Batch:
        """Return a batch that is kept."""
        return self._batches[number - self.first]

    def newest(self, rows: int) -> int:
        """Return the number of the batch from which on so many rows are kept, or all there are."""
        number = self.first + len(self._batches)
        while number > self.first and rows > 0:
            number -= 1
            rows -= len(self.batch(number).rows)
        return number

    async def place(self, mark: str) -> tuple[int, int]:
        """Return where to go on after a mark: at which row of which batch.

        Raises:
            FellBehindError: It is not, or no more, among what is kept.
        """
        await self._is_caught_up.wait()
        for at, batch in enumerate(self._batches):
            if mark in batch.marks:
                before = len(batch.marks) - list(batch.marks)[::-1].index(mark)
                return self.first + at, before
        raise FellBehindError

    async def batches(self, number: int) -> Told:
        """Yield what is told, from the batch of this number on.

        Raises:
            FellBehindError: The reader was too slow.
        """
        while True:
            news = self._news
            while number < self.first + len(self._batches):
                if number < self.first:
                    raise FellBehindError
                yield self.batch(number)
                number += 1
            if self.is_over:
                self._reading.result()  # what broke it breaks its readers off
                return
            await news.wait()

    async def close(self) -> None:
        """Read no more."""
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self, source: Source) -> None:
        async with aclosing(source()) as told:
            async for batch in told:
                self._put(batch)

    def _put(self, batch: Batch) -> None:
        if batch is CAUGHT_UP:
            self._is_caught_up.set()
            return
        self._batches.append(batch)
        self._bytes += len(batch.data)
        while self._bytes > _BYTES_MAX and len(self._batches) > _BATCHES_MIN:
            self._bytes -= len(self._batches.popleft().data)
            self.first += 1
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _end(self, _: "asyncio.Task[None]") -> None:
        self._is_caught_up.set()
        self._wake()


class Channels:
    """Those that have readers, by what they tell."""

    def __init__(self) -> None:
        self._open: dict[Hashable, Channel] = {}

    def enter(
        self, key: Hashable, client: AsyncClient, source: Source, *, whole: bool = False
    ) -> Channel:
        """Return the channel of a key for one more reader, who leaves it again.

        One that has ended, or lacks its beginning though the whole is wanted, is left to those
        who read it; the next begin another.
        """
        channel = self._open.get(key)
        if channel is None or channel.is_over or (whole and channel.first):
            channel = self._open[key] = Channel(client, source)
        channel.readers += 1
        return channel

    async def leave(self, key: Hashable, channel: Channel) -> None:
        """Let go of a channel; without readers it ends."""
        channel.readers -= 1
        if not channel.readers:
            if self._open.get(key) is channel:
                del self._open[key]
            await channel.close()
