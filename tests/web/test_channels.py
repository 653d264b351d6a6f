"""What many follow is read once: who comes late, who comes back, and who is too slow."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from nsml_core.errors import NotFound
from nsml_web.channels import CAUGHT_UP, Batch, Channels, FellBehindError, Told

CLIENT: Any = None  # the channel only remembers whose it is
KEY = "key"


def batch(*numbers: int, size: int = 1) -> Batch:
    return Batch(b"x" * size, [*numbers], [f"{number}.1" for number in numbers])


class Source:
    """Tells what a test puts in."""

    def __init__(self) -> None:
        self.begun = 0
        self.told: asyncio.Queue[Batch | None] = asyncio.Queue()

    async def __call__(self) -> Told:
        self.begun += 1
        while (one := await self.told.get()) is not None:
            yield one

    def put(self, *batches: Batch | None) -> None:
        for one in batches:
            self.told.put_nowait(one)


async def take(told: AsyncGenerator[Batch, None], count: int) -> list[object]:
    """Return the rows of so many batches."""
    return [row for _ in range(count) for row in (await anext(told)).rows]


async def test_all_readers_share_one_source_and_the_last_ends_it() -> None:
    channels, source = Channels(), Source()
    source.put(batch(1, 2), CAUGHT_UP, batch(3))
    first = channels.enter(KEY, CLIENT, source)
    assert await take(first.batches(0), 2) == [1, 2, 3]

    second = channels.enter(KEY, CLIENT, source)
    assert second is first
    assert await take(second.batches(second.newest(1)), 1) == [3]
    assert second.newest(2) == 0
    assert await second.place("2.1") == (0, 2)
    assert await second.place("1.1") == (0, 1)
    with pytest.raises(FellBehindError):
        await second.place("0.1")
    await channels.leave(KEY, first)
    await channels.leave(KEY, second)

    assert source.begun == 1
    assert first.is_over
    again = channels.enter(KEY, CLIENT, source)
    assert again is not first
    await channels.leave(KEY, again)


async def test_who_comes_back_waits_until_all_that_was_there_is_read() -> None:
    channels, source = Channels(), Source()
    channel = channels.enter(KEY, CLIENT, source)
    coming = asyncio.create_task(channel.place("5.1"))
    source.put(batch(4, 5, 6))
    await take(channel.batches(0), 1)
    assert not coming.done()
    source.put(CAUGHT_UP)

    assert await coming == (0, 2)
    await channels.leave(KEY, channel)


async def test_who_is_too_slow_is_told_so_and_others_get_a_whole_one() -> None:
    channels, source = Channels(), Source()
    channel = channels.enter(KEY, CLIENT, source)
    slow = channel.batches(0)
    source.put(*(batch(number, size=1 << 20) for number in range(70)), None)
    while channel.first == 0:
        await asyncio.sleep(0)

    with pytest.raises(FellBehindError):
        await take(slow, 1)
    whole = channels.enter(KEY, CLIENT, source, whole=True)
    assert whole is not channel
    await channels.leave(KEY, channel)
    await channels.leave(KEY, whole)


async def test_what_breaks_the_source_breaks_its_readers_off() -> None:
    async def broken() -> Told:
        yield batch(1)
        raise NotFound("It is gone.")

    channels = Channels()
    channel = channels.enter(KEY, CLIENT, broken)
    told = channel.batches(0)
    assert await take(told, 1) == [1]

    with pytest.raises(NotFound):
        await take(told, 1)
    await channels.leave(KEY, channel)
