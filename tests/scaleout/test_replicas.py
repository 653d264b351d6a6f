"""Two replicas of each service side by side: nothing is done twice, and nothing is not known."""

import asyncio
from functools import partial
from typing import Any

import grpc.aio

from nsml_core.floor import Floor
from nsml_protos import session_pb2 as pb
from nsml_protos.ledger_pb2 import StatementRequest
from nsml_protos.ledger_pb2_grpc import LedgerStub
from nsml_protos.session_pb2_grpc import SessionsStub
from tests.scaleout.split import Split
from tests.services.link import Link, lines, points, said
from tests.services.world import ANN, SCHEDULER, World, eventually, hold, request


async def test_output_is_followed_at_the_other_replica(world: Split) -> None:
    ref = await world.started((await world.run()).name)
    link = Link(world, ref)
    await link.say(1)
    follow = world.sessions().Logs(pb.LogsRequest(name=ref.name, follow=True))
    heard = b""
    while b"1\n" not in heard:
        heard += _bytes(await follow.read())
    await link.say(2, 3)
    large = said(ref, 4, b"x" * (600 << 10) + b"\n")
    await link.tell(large)
    while not heard.endswith(b"x\n"):
        heard += _bytes(await follow.read())
    await link.acknowledged(4)
    await link.hang_up()
    await world.ended(ref)
    heard += b"".join([_bytes(reply) async for reply in follow])

    assert heard == lines(1, 2, 3) + large.log[0].data


def _bytes(reply: pb.LogsReply) -> bytes:
    return b"".join(piece.data for piece in reply.pieces)


async def test_points_are_watched_at_the_other_replica(world: Split) -> None:
    ref = await world.started((await world.run()).name)
    link = Link(world, ref)
    watching = world.sessions().WatchMetrics(pb.MetricsRequest(name=ref.name))
    assert (await watching.read()).anew
    await link.tell(points(ref, 1, ("loss", 1, 0.5)))
    news = await watching.read()

    assert [(one.name, list(one.values)) for one in news.series] == [("loss", [0.5])]
    watching.cancel()


async def test_what_one_was_told_to_stop_is_stopped_by_the_other(world: Split) -> None:
    ref = await world.started((await world.run()).name)
    link = Link(world, ref)
    await link.say(1)
    await link.acknowledged(1)
    await world.sessions().Stop(pb.StopRequest(name=ref.name, reason="enough"))
    order = await link.call.read()

    assert order.stop.reason == "enough"


async def test_a_request_sent_to_both_leads_to_one_session(world: Split) -> None:
    asked = [request(key=f"key{number}") for number in range(10)]
    both = (World.sessions(world.people), _at_first(world))
    replies = await asyncio.gather(*(stub.Run(one) for one in asked for stub in both))
    names = [reply.session.name for reply in replies]

    assert names[::2] == names[1::2]
    assert len(set(names)) == len(asked)


def _at_first(world: Split) -> Any:
    """The face for people at the replica that runners speak to."""
    return SessionsStub(World.channel(world, "session", ANN))


async def test_a_device_is_given_once(world: Split) -> None:
    first, second = (await world.run()).name, (await world.run()).name
    given = await asyncio.gather(
        world.placed(first, device="7"),
        _placed_by_other(world, second, "7"),
        return_exceptions=True,
    )
    refusals = [one for one in given if isinstance(one, grpc.aio.AioRpcError)]

    assert len(refusals) == 1
    assert "is held by" in (refusals[0].details() or "")


async def _placed_by_other(world: Split, session: str, device: str) -> None:
    await world.people.placed(session, device=device)


async def test_the_other_replica_decides_on_what_is_so_now(world: Split) -> None:
    name = (await world.run()).name
    for number in range(20):
        stub = _at_first(world) if number % 2 else world.sessions()
        await stub.SetMemo(pb.SetMemoRequest(name=name, memo=str(number)))
        other = world.sessions() if number % 2 else _at_first(world)
        assert (await other.Get(pb.SessionRef(name=name))).memo == str(number)


async def test_what_one_wrote_is_listed_by_the_other(world: Split) -> None:
    names = {(await world.run()).name for _ in range(20)}
    stub = _at_first(world)

    async def all_listed() -> bool:
        rows = (await stub.List(pb.ListSessionsRequest())).sessions
        return {row.session.name for row in rows} == names

    assert await eventually(all_listed)


async def test_what_has_ended_is_settled_once_whoever_leads(world: Split) -> None:
    for number in range(2):
        ref = await world.started((await world.run()).name)
        scheduler = LedgerStub(World.channel(world, "ledger", SCHEDULER))
        if "ledger" not in world.floors:
            scheduler = LedgerStub(world.people.channel("ledger", SCHEDULER))
        await scheduler.PlaceHold(hold(ref.name))
        await world.ended(ref)
        await eventually(partial(_released, world, ref.name))
        if not number:
            leader = await eventually(partial(_leader, world))
            await (world.stop_other if leader is world.other_floors["ledger"] else world.stop)(
                "ledger"
            )


async def _leader(world: Split) -> Floor | None:
    return world.leader("ledger")


async def _released(world: Split, name: str) -> bool:
    """Whether what was held is free again; nothing is ever released twice."""
    ledger = (
        world.ledger()
        if "ledger" in world.other_floors
        else LedgerStub(World.channel(world, "ledger", ANN))
    )
    kept = list((await ledger.Statement(StatementRequest(limit=100))).lines)
    found = sum(line.session == name and line.event == "Released" for line in kept)
    assert found <= 1
    return bool(found == 1)
