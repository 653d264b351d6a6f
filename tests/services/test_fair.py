"""The queue of frames: whoever brings much waits for himself, and keeps nobody else waiting."""

import asyncio
from itertools import groupby

from nsml_session.fair import FairQueue


async def fill(queue: FairQueue[str], session: str, count: int, size: int) -> None:
    for number in range(count):
        await queue.put(session, f"{session}{number}", size)


async def test_sessions_take_turns_and_each_keeps_its_order() -> None:
    queue: FairQueue[str] = FairQueue(lane_items=8, batch_bytes=1_000)
    await fill(queue, "flood", 8, 400)
    await fill(queue, "calm", 1, 10)

    assert await queue.take() == ["flood0", "calm0", "flood1", "flood2"]
    assert await queue.take() == ["flood3", "flood4", "flood5"]


async def test_a_full_session_waits_and_others_do_not() -> None:
    queue: FairQueue[str] = FairQueue(lane_items=2, batch_bytes=1)
    flood = asyncio.create_task(fill(queue, "flood", 100, 1))
    await asyncio.sleep(0)
    await fill(queue, "calm", 2, 1)

    assert not flood.done()
    taken = [item for _ in range(102) for item in await queue.take()]
    await flood
    assert taken[:4] == ["flood0", "calm0", "flood1", "calm1"]
    assert [item for item in taken if item.startswith("f")] == [f"flood{n}" for n in range(100)]


async def test_a_large_item_comes_alone_and_many_who_wait_for_room_lose_nothing() -> None:
    queue: FairQueue[str] = FairQueue(lane_items=1, batch_bytes=10)
    putting = [asyncio.create_task(queue.put("a", f"{n}", 1_000)) for n in range(20)]
    taken = [await asyncio.wait_for(queue.take(), 10) for _ in range(20)]
    await asyncio.gather(*putting)

    assert sorted(item for (item,) in taken) == sorted(f"{n}" for n in range(20))
    assert all(len(list(group)) == 1 for _, group in groupby(taken))
