"""A session on two nodes, as the session service has it: meeting, logs of all, fences, one end."""

import grpc
import pytest

from nsml_protos import session_pb2 as pb
from tests.services.link import Link, said
from tests.services.world import World, refused

NODES = ("here", "there")


def ref(name: str, rank: int) -> pb.AttemptRef:
    return pb.AttemptRef(name=name, attempt=1, rank=rank)


async def placed(world: World) -> str:
    name = (await world.run(resources=pb.Resources(gpus=1, nodes=2))).name
    members = [pb.GangMember(rank=at, node=node, devices=["0"]) for at, node in enumerate(NODES)]
    place = pb.PlaceRequest(name=name, attempt=1, node="here", devices=["0"], members=members)
    await world.placements().Place(place)
    return name


async def meet(world: World, name: str, rank: int) -> pb.MeetReply:
    ready = pb.MemberReady(address=f"10.0.0.{rank}", ports=[1, 2], environment="e", python="3.11")
    request = pb.MeetRequest(ref=ref(name, rank), ready=ready)
    reply: pb.MeetReply = await world.attempts(name, rank=rank).Meet(request)
    return reply


async def started(world: World) -> str:
    name = await placed(world)
    for rank in (0, 1):
        await meet(world, name, rank)
    return name


async def end(world: World, name: str, rank: int, exit_code: int = 0) -> None:
    outcome = pb.Outcome(exit_code=exit_code, message="broken" if exit_code else "")
    await world.attempts(name, rank=rank).End(pb.EndRequest(ref=ref(name, rank), outcome=outcome))


async def test_each_member_sees_its_own_room_and_waits_for_the_others(world: World) -> None:
    name = await placed(world)
    begun = [await world.attempts(name, rank=rank).Begin(ref(name, rank)) for rank in (0, 1)]

    assert [one.session.attempts[0].node for one in begun] == list(NODES)
    assert not (await meet(world, name, 1)).all

    reply = await meet(world, name, 0)
    assert (reply.all, [one.address for one in reply.members]) == (True, ["10.0.0.0", "10.0.0.1"])
    assert (await meet(world, name, 1)).all


async def test_a_token_speaks_for_one_member(world: World) -> None:
    name = await placed(world)

    async with refused(grpc.StatusCode.PERMISSION_DENIED):
        await world.attempts(name, rank=1).Begin(ref(name, 0))


@pytest.mark.parametrize("by_line", [False, True])
async def test_what_all_members_print_is_one_log_by_time(world: World, by_line: bool) -> None:
    name = await started(world)
    for rank in (0, 1):
        link = Link(world, ref(name, rank))
        for number in (1, 2):
            line, time_us = f"{rank}: {number}\n".encode(), 10 * number + rank
            await link.tell(said(ref(name, rank), number, line, time_us))
        await link.acknowledged(2)
        await link.hang_up()
    for rank in (0, 1):
        await end(world, name, rank)

    request = pb.LogsRequest(name=name, follow=True, lines=by_line)
    pieces = [piece async for reply in world.sessions().Logs(request) for piece in reply.pieces]
    assert [piece.data for piece in pieces] == [b"0: 1\n", b"1: 1\n", b"0: 2\n", b"1: 2\n"]


async def test_the_whole_ends_when_the_last_has_and_names_who_failed(world: World) -> None:
    name = await started(world)
    await end(world, name, 1, exit_code=1)
    assert (await world.sessions().Get(pb.SessionRef(name=name))).status == pb.RUNNING

    await end(world, name, 0)
    state = await world.sessions().Get(pb.SessionRef(name=name))
    assert (state.status, state.reason) == (pb.FAILED, "rank 1 on there: broken")


async def test_what_each_member_has_used_is_told_apart(world: World) -> None:
    name = await started(world)
    for rank in (1, 0):
        link = Link(world, ref(name, rank))
        used = pb.Usage(time_us=5, cpu_cores=rank + 1)
        await link.tell(pb.Frame(ref=ref(name, rank), number=1, usage=[used]))
        await link.acknowledged(1)
        await link.hang_up()

    reply = await world.sessions().UsageHistory(pb.UsageHistoryRequest(name=name))
    assert [(one.rank, one.usage.cpu_cores) for one in reply.samples] == [(0, 1), (1, 2)]
