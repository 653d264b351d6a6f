"""Two submissions at the same moment, each at another replica: the log lets one have the slot."""

import asyncio

import grpc

from nsml_protos import session_pb2 as ss
from nsml_protos.session_pb2_grpc import SessionsStub
from tests.scaleout.split import Split
from tests.services.competition import opened, trained
from tests.services.world import BOB, World


async def test_one_slot_is_given_once(world: Split) -> None:
    await opened(world, "moment")
    source = await trained(world, "moment")
    asked = [
        ss.SubmitRequest(session=source, checkpoint="5", kind=ss.Purpose.SUBMIT, key=key)
        for key in ("one", "other")
    ]
    both = (world.sessions(BOB), SessionsStub(World.channel(world, "session", BOB)))
    calls = [stub.Submit(one) for stub, one in zip(both, asked, strict=True)]
    found = await asyncio.gather(*calls, return_exceptions=True)

    (refusal,) = (one for one in found if isinstance(one, grpc.aio.AioRpcError))
    (taken,) = (one for one in found if isinstance(one, ss.RunReply))
    assert refusal.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert f"{taken.session.name} is being scored" in (refusal.details() or "")
