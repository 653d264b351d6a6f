"""What the session service makes of runners' words: zombies, and when a lost one was last heard."""

import asyncio
from datetime import UTC, datetime

import pytest

from nsml_core.settings import Settings
from nsml_protos import session_pb2 as pb
from nsml_protos.ledger_pb2 import BalanceRequest, Book
from tests.services.conftest import opened_world
from tests.services.link import Link, said
from tests.services.world import SCHEDULER, World, eventually, hold

START = 1_700_000_000
PERIOD = 5


def used(ref: pb.AttemptRef, number: int, cores: float = 0.0) -> pb.Frame:
    """The frame of this number, with a sample; the first is of START."""
    time_us = (START + (number - 1) * PERIOD) * 1_000_000
    return pb.Frame(ref=ref, number=number, usage=[pb.Usage(time_us=time_us, cpu_cores=cores)])


async def idle(link: Link, first: int, last: int) -> None:
    await link.tell(*(used(link.ref, number) for number in range(first, last + 1)))
    await link.acknowledged(last)


async def session(world: World, name: str) -> pb.Session:
    found: pb.Session = await world.sessions().Get(pb.SessionRef(name=name))
    return found


async def until_zombie(world: World, name: str, *, is_zombie: bool = True) -> pb.Session:
    async def judged() -> pb.Session | None:
        found = await session(world, name)
        return found if found.HasField("zombie_since") == is_zombie else None

    return await eventually(judged)


async def events(world: World, name: str) -> list[str]:
    await world.floors["session"].view.see_all()
    reply = await world.sessions().History(pb.HistoryRequest(name=name))
    return [line.event for line in reply.lines]


@pytest.fixture
async def ref(world: World) -> pb.AttemptRef:
    """A session that runs."""
    return await world.started((await world.run()).name)


@pytest.fixture(autouse=True)
def a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a minute without work be enough, before the services read it."""
    monkeypatch.setenv("NSML_ZOMBIE_AFTER", "60")


async def test_who_does_nothing_is_a_zombie_until_it_works(
    world: World, ref: pb.AttemptRef
) -> None:
    link = Link(world, ref)
    await idle(link, 1, 12)
    assert not (await session(world, ref.name)).HasField("zombie_since")
    await idle(link, 13, 13)

    found = await until_zombie(world, ref.name)
    assert found.zombie_since.seconds == START
    assert found.reason == "it uses less than 1% of its CPU"
    assert found.status == pb.RUNNING

    await link.tell(used(ref, 14, cores=1.0))
    assert (await until_zombie(world, ref.name, is_zombie=False)).reason == ""
    assert (await events(world, ref.name))[3:] == ["BecameZombie", "WokeUp"]
    await link.hang_up()


async def test_a_restart_of_the_service_forgets_no_idleness(
    world: World, ref: pb.AttemptRef
) -> None:
    link = Link(world, ref)
    await idle(link, 1, 8)
    await link.hang_up()
    await world.stop("session")
    await world.start("session")
    again = Link(world, ref)
    await idle(again, 4, 13)  # what is told again is neither work nor silence

    assert (await until_zombie(world, ref.name)).zombie_since.seconds == START
    await again.hang_up()


async def test_a_zombie_is_stopped_if_so_configured(
    config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NSML_ZOMBIE_STOP", "yes")
    monkeypatch.setenv("NSML_ZOMBIE_GRACE", "20")
    async with opened_world(config, monkeypatch) as world:
        ref = await world.started((await world.run()).name)
        link = Link(world, ref)
        await idle(link, 1, 17)
        while not (stops := [order for order in link.orders if order.HasField("stop")]):
            link.orders.append(await link.call.read())

        assert stops[0].stop.reason == "a zombie: it has done nothing for 80 seconds"
        assert (await session(world, ref.name)).stop_actor == "service:session"
        await link.hang_up()


async def lose(world: World, ref: pb.AttemptRef) -> pb.Session:
    gone = pb.LoseRequest(name=ref.name, attempt=ref.attempt, reason="its runner is gone")
    await world.placements().Lose(gone)
    return await session(world, ref.name)


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_lost_runner_was_last_seen_when_it_was_heard(
    world: World, ref: pb.AttemptRef, *, restarted: bool
) -> None:
    link = Link(world, ref)
    before = datetime.now(UTC)
    await link.tell(said(ref, 1, b"hello"))
    await link.acknowledged(1)
    after = datetime.now(UTC)
    await link.hang_up()
    if restarted:
        await world.stop("session")
        await world.start("session")

    [attempt] = (await lose(world, ref)).attempts

    assert before <= attempt.last_seen.ToDatetime(UTC) <= after
    assert attempt.last_seen.ToDatetime() < attempt.ended.ToDatetime()


async def test_a_runner_that_said_nothing_was_seen_when_its_code_began(
    world: World, ref: pb.AttemptRef
) -> None:
    await world.stop("session")
    await world.start("session")

    [attempt] = (await lose(world, ref)).attempts

    assert attempt.last_seen == attempt.started


async def test_a_lost_session_goes_on_by_itself_and_pays_for_what_was_heard(
    world: World,
) -> None:
    name = (await world.run(restarts=1, resources=pb.Resources(gpus=1))).name
    ledger = world.ledger()
    await ledger.Balance(BalanceRequest())
    await world.ledger(SCHEDULER).PlaceHold(hold(name))
    ref = await world.started(name)
    saved = pb.Checkpoint(name="4", tree="t" * 64)
    await world.attempts(name).SaveCheckpoint(pb.SaveCheckpointRequest(ref=ref, checkpoint=saved))

    found = await lose(world, ref)

    assert (found.status, found.restarts, found.start.name) == (pb.QUEUED, 1, "4")
    assert (await events(world, name))[-2:] == ["Lost", "Resumed"]

    async def settled() -> Book | None:
        book: Book = await ledger.Balance(BalanceRequest())
        return None if book.holds else book

    book = await eventually(settled)
    [attempt] = found.attempts
    ran = attempt.last_seen.ToNanoseconds() - attempt.started.ToNanoseconds()
    assert book.spent == ran // 1_000_000

    await world.ledger(SCHEDULER).PlaceHold(hold(name, attempt=2))
    second = await world.started(name, 2)
    lost = await lose(world, second)
    assert (lost.status, lost.restarts) == (pb.LOST, 1)
    await eventually(settled)


async def test_who_follows_a_log_does_not_notice_a_restart(world: World) -> None:
    name = (await world.run(restarts=1)).name
    first = Link(world, await world.started(name))
    await first.say(1)
    await first.acknowledged(1)

    async def followed() -> bytes:
        replies = world.sessions().Logs(pb.LogsRequest(name=name, follow=True))
        return b"".join([piece.data async for reply in replies for piece in reply.pieces])

    following = asyncio.create_task(followed())
    await first.hang_up()
    await lose(world, first.ref)
    second = Link(world, await world.started(name, 2))
    await second.tell(said(second.ref, 1, b"again\n"))
    await second.acknowledged(1)
    await second.hang_up()
    await world.ended(second.ref)

    assert await following == b"1\nagain\n"
