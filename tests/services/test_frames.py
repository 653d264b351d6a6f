"""What runners tell: kept once, in order, acknowledged when it is safe, and read as it was told."""

import asyncio
import math
import random

import asyncpg
import pytest

from nsml_protos import session_pb2 as pb
from tests.services.link import Link, lines, output, points, said
from tests.services.world import World, eventually


def noise(seed: int, size: int) -> bytes:
    """Bytes that do not compress, the same each time."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - nothing is kept secret by it


@pytest.fixture
async def ref(world: World) -> pb.AttemptRef:
    """A session that runs."""
    return await world.started((await world.run()).name)


async def test_a_frame_is_acknowledged_when_it_is_committed(
    world: World, ref: pb.AttemptRef
) -> None:
    link = Link(world, ref)
    other = await asyncpg.connect(world.settings.postgres_url)
    pool = world.floors["session"].pool

    async def is_held_up() -> bool:
        held = "select exists (select from pg_locks where not granted)"
        return bool(await pool.fetchval(held))

    async with other.transaction():
        await other.execute("lock table session_frames.frame in exclusive mode")
        await link.say(1)
        acknowledged = asyncio.create_task(link.acknowledged(1))
        await eventually(is_held_up)
        assert not acknowledged.done()
    await acknowledged

    assert await other.fetchval("select count(*) from session_frames.frame") == 1
    await other.close()
    await link.hang_up()


async def test_frames_told_again_appear_once_and_in_order(world: World, ref: pb.AttemptRef) -> None:
    first, second = Link(world, ref), Link(world, ref)
    await first.say(1, 2, 3, 4, 5)
    await first.acknowledged(5)
    await second.say(3, 4, 5, 6, 7)
    await second.acknowledged(7)

    assert await output(world, ref.name) == lines(*range(1, 8))
    await first.hang_up()
    await second.hang_up()


async def test_acknowledgements_come_in_order_and_before_the_end(
    world: World, ref: pb.AttemptRef
) -> None:
    link = Link(world, ref)
    await link.say(*range(1, 201))
    await link.hang_up()

    assert [order.acknowledged for order in link.orders] == list(range(1, 201))


async def test_a_frame_speaks_for_the_attempt_of_its_token(
    world: World, ref: pb.AttemptRef
) -> None:
    victim = await world.started((await world.run()).name)
    link = Link(world, ref)
    await link.tell(said(victim, 1, b"1\n"))
    await link.hang_up()

    assert await output(world, ref.name) == b"1\n"
    assert await output(world, victim.name) == b""


@pytest.mark.parametrize("size", [1 << 20, 10_000_000])
async def test_output_of_any_size_comes_back_byte_for_byte(
    world: World, ref: pb.AttemptRef, size: int
) -> None:
    data = noise(size, size)
    link = Link(world, ref)
    await link.tell(said(ref, 1, data), said(ref, 2, b"end"))
    await link.hang_up()

    assert await output(world, ref.name) == data + b"end"


async def test_output_since_a_time(world: World, ref: pb.AttemptRef) -> None:
    link = Link(world, ref)
    await link.say(*range(1, 11))
    await link.hang_up()

    assert await output(world, ref.name, since_us=8) == lines(8, 9, 10)


async def test_metrics_come_back_as_columns(world: World, ref: pb.AttemptRef) -> None:
    link = Link(world, ref)
    await link.tell(
        points(ref, 1, ("loss", 1, 0.5), ("acc", 1, 0.1), ("loss", 2, 0.4)),
        said(ref, 2, b"nothing to count\n"),
        points(ref, 3, ("loss", 3, math.inf), ("a\0b", 3, 7.0)),
    )
    await link.hang_up()
    sessions = world.sessions()

    found = (await sessions.Metrics(pb.MetricsRequest(name=ref.name))).series
    only = (await sessions.Metrics(pb.MetricsRequest(name=ref.name, series=["acc"]))).series

    assert [(one.name, list(one.steps), list(one.values)) for one in found] == [
        ("a\0b", [3], [7.0]),
        ("acc", [1], [0.1]),
        ("loss", [1, 2, 3], [0.5, 0.4, math.inf]),
    ]
    assert [list(one.times_us) for one in found] == [[3], [1], [1, 2, 3]]
    assert [one.name for one in only] == ["acc"]


async def test_as_many_points_as_a_runner_sends_at_once(world: World, ref: pb.AttemptRef) -> None:
    link = Link(world, ref)
    await link.tell(points(ref, 1, *(("loss", step, 0.5) for step in range(50_000))))
    await link.hang_up()

    (found,) = (await world.sessions().Metrics(pb.MetricsRequest(name=ref.name))).series

    assert list(found.steps) == list(range(50_000))


async def test_a_summary_holds_the_latest_of_each_series_whatever_it_is(
    world: World, ref: pb.AttemptRef
) -> None:
    link = Link(world, ref)
    for number, summary in enumerate(
        [{"loss": 1.0, "acc": 0.1}, {"loss": math.nan}, {"a\0'; drop": math.inf}], 1
    ):
        await link.tell(pb.Frame(ref=ref, number=number, points=pb.Points(summary=summary)))
    await link.hang_up()
    await world.floors["session"].view.see_all()

    (row,) = (await world.sessions().List(pb.ListSessionsRequest())).sessions

    assert {key: str(value) for key, value in row.summary.items()} == {
        "loss": "nan",
        "acc": "0.1",
        "a\0'; drop": "inf",
    }


async def test_a_frame_without_a_number_is_refused_and_hurts_nobody(
    world: World, ref: pb.AttemptRef
) -> None:
    for number in (0, 2**64 - 1):
        link = Link(world, ref)
        await link.tell(pb.Frame(ref=ref, number=number))
        assert await link.call.code() is not None
    link = Link(world, ref)
    await link.say(1)
    await link.hang_up()

    assert await output(world, ref.name) == b"1\n"


async def followed(world: World, name: str, pause: asyncio.Event | None = None) -> bytes:
    """What a follower sees until the end; a slow one reads on only when it is allowed to."""
    seen = []
    async for reply in world.sessions().Logs(pb.LogsRequest(name=name, follow=True)):
        seen += [piece.data for piece in reply.pieces]
        if pause is not None:
            await pause.wait()
    return b"".join(seen)


async def test_followers_see_each_piece_once_however_slow_they_are(
    world: World, ref: pb.AttemptRef
) -> None:
    size, count = 64 << 10, 400
    data = [noise(number, size) for number in range(1, count + 1)]
    link, go_on = Link(world, ref), asyncio.Event()
    await link.tell(said(ref, 1, data[0]))
    await link.acknowledged(1)
    slow = asyncio.create_task(followed(world, ref.name, go_on))
    fast = asyncio.create_task(followed(world, ref.name))
    await link.tell(*(said(ref, number, data[number - 1]) for number in range(2, count + 1)))
    await link.acknowledged(count)
    late = asyncio.create_task(followed(world, ref.name))
    go_on.set()
    await link.hang_up()
    await world.ended(ref)

    whole = b"".join(data)
    assert [await task == whole for task in (slow, fast, late)] == [True, True, True]


async def test_a_follower_sees_a_reconnected_runner_once(world: World, ref: pb.AttemptRef) -> None:
    follower = asyncio.create_task(followed(world, ref.name))
    for numbers in ((1, 2, 3), (2, 3, 4), (1, 2, 3, 4, 5)):
        link = Link(world, ref)
        await link.say(*numbers)
        await link.hang_up()
    await world.ended(ref)

    assert await follower == lines(1, 2, 3, 4, 5)


async def test_a_follower_sees_every_attempt(world: World, ref: pb.AttemptRef) -> None:
    link = Link(world, ref)
    await link.say(1, 2)
    await link.hang_up()
    await world.ended(ref, exit_code=1)
    await world.sessions().Resume(pb.ResumeRequest(name=ref.name, from_start=True))
    follower = asyncio.create_task(followed(world, ref.name))
    again = await world.started(ref.name, attempt=2)
    link = Link(world, again)
    await link.say(1, 2, 3)
    await link.hang_up()
    await world.ended(again)

    assert await follower == lines(1, 2, 1, 2, 3)


async def test_a_stop_reaches_the_runner_that_listens(world: World, ref: pb.AttemptRef) -> None:
    link = Link(world, ref)
    await link.say(1)
    await link.acknowledged(1)
    await world.sessions().Stop(pb.StopRequest(name=ref.name, reason="enough"))

    order = await link.call.read()

    assert (order.stop.reason, order.stop.grace_seconds > 0) == ("enough", True)
    await link.hang_up()


async def test_a_stop_waits_for_the_runner_that_is_away(world: World, ref: pb.AttemptRef) -> None:
    await world.sessions().Stop(pb.StopRequest(name=ref.name, reason="enough"))
    await world.stop("session")
    await world.start("session")

    link = Link(world, ref)
    await link.call.write(said(ref, 1, b"1"))

    assert (await link.call.read()).stop.reason == "enough"
    await link.hang_up()


async def test_what_was_acknowledged_outlives_the_service(world: World, ref: pb.AttemptRef) -> None:
    link = Link(world, ref)
    await link.say(*range(1, 51))
    await link.hang_up()
    await world.stop("session")
    await world.start("session")

    assert await output(world, ref.name) == lines(*range(1, 51))


async def test_what_a_removed_session_told_is_deleted(world: World, ref: pb.AttemptRef) -> None:
    link = Link(world, ref)
    await link.say(1)
    await link.hang_up()
    await world.ended(ref)
    await world.sessions().Remove(pb.RemoveSessionRequest(name=ref.name))

    pool = world.floors["session"].pool
    assert await pool.fetchval("select count(*) from session_frames.frame") == 0
