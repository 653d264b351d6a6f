"""Submissions at the same moment, and why their evaluations failed: who may know."""

import asyncio

import grpc
from google.protobuf.json_format import MessageToJson

from nsml_protos import board_pb2 as pb
from nsml_protos import session_pb2 as ss
from tests.services.competition import boards, opened, report, submitted, trained
from tests.services.world import BOB, World, eventually, refused

Code = grpc.StatusCode


async def test_why_an_evaluation_failed_is_seen_by_the_boards_owner_alone(world: World) -> None:
    await opened(world, "failing")
    name = await submitted(world, await trained(world, "failing"))
    for _ in range(2):  # the first answer may be lost
        await report(world, name, float("nan"), printed="Traceback: label 7\n\0")
    mine = pb.SubmissionsRequest(name="failing")
    assert (await boards(world, BOB).Submissions(mine)).entrants[0].printed == ""
    await world.ended(ss.AttemptRef(name=name, attempt=1), exit_code=1)

    async def told() -> list[pb.Entrant]:
        asked = pb.SubmissionsRequest(name="failing", owner="*", failures=True)
        return list((await boards(world).Submissions(asked)).entrants)

    (failed,) = await eventually(told)
    assert (failed.owner, failed.submission.session) == ("bob", name)
    assert failed.printed == "Traceback: label 7\n"
    async with refused(Code.PERMISSION_DENIED, "Only ann sees what evaluations printed"):
        await boards(world, BOB).Submissions(pb.SubmissionsRequest(name="failing", failures=True))
    shown = [
        (await boards(world, BOB).Submissions(mine)),
        await world.sessions(BOB).Get(ss.SessionRef(name=name)),
        await world.sessions(BOB).History(ss.HistoryRequest(name=name)),
    ]
    assert not any("label 7" in MessageToJson(reply) for reply in shown)


async def test_of_two_at_the_same_moment_one_is_taken_in(world: World) -> None:
    await opened(world, "moment")
    source = await trained(world, "moment")
    both = (submitted(world, source), submitted(world, source))
    found = await asyncio.gather(*both, return_exceptions=True)

    (refusal,) = (one for one in found if isinstance(one, grpc.aio.AioRpcError))
    (name,) = (one for one in found if isinstance(one, str))
    assert refusal.code() == Code.RESOURCE_EXHAUSTED
    assert f"Rate limit exceeded: {name} is being scored" in (refusal.details() or "")

    async def entered() -> list[str]:
        reply = await boards(world, BOB).Submissions(pb.SubmissionsRequest(name="moment"))
        return [one.submission.session for one in reply.entrants]

    assert await eventually(entered) == [name]
