"""What running sessions use now, as their owner may see it."""

import grpc

from nsml_protos import session_pb2 as pb
from tests.services.link import Link
from tests.services.world import BOB, ROOT, World, refused


def sample(ref: pb.AttemptRef, number: int, second: int, cores: float) -> pb.Frame:
    used = pb.Usage(time_us=second * 1_000_000, cpu_cores=cores, gpu_utilization=[0.5])
    return pb.Frame(ref=ref, number=number, usage=[used])


async def usage(world: World, *names: str, caller: object = None) -> dict[str, float]:
    sessions = world.sessions(caller) if caller else world.sessions()  # type: ignore[arg-type]
    reply = await sessions.Usage(pb.UsageRequest(names=names))
    return {one.name: one.usage.cpu_cores for one in reply.sessions}


async def test_the_newest_sample_is_told_and_outlives_a_restart(world: World) -> None:
    ref = await world.started((await world.run()).name)
    queued = (await world.run()).name
    assert await usage(world, ref.name, queued) == {}
    link = Link(world, ref)
    await link.tell(sample(ref, 1, 5, 1.0), sample(ref, 2, 10, 2.0))
    await link.acknowledged(2)
    again = Link(world, ref)
    await again.tell(sample(ref, 1, 5, 1.0))  # told again, and no news
    await again.acknowledged(1)
    await link.hang_up()
    await again.hang_up()

    assert await usage(world, ref.name, queued) == {ref.name: 2.0}
    await world.stop("session")
    await world.start("session")
    assert await usage(world, ref.name) == {ref.name: 2.0}
    await world.ended(ref)
    assert await usage(world, ref.name) == {}


async def test_it_is_for_the_owner_and_for_admins(world: World) -> None:
    ref = await world.started((await world.run()).name)
    link = Link(world, ref)
    await link.tell(sample(ref, 1, 5, 1.5))
    await link.acknowledged(1)
    await link.hang_up()

    assert await usage(world, ref.name, "ann/None/999", caller=BOB) == {}
    assert await usage(world, ref.name, caller=ROOT) == {ref.name: 1.5}
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "is not a session's name"):
        await usage(world, "nsml.>")
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "1,000 sessions at most"):
        await usage(world, *["ann/None/1"] * 1_001)


async def over_time(world: World, name: str, samples: int = 0) -> list[tuple[int, int, float]]:
    reply = await world.sessions().UsageHistory(pb.UsageHistoryRequest(name=name, samples=samples))
    return [(one.attempt, one.rank, one.usage.cpu_cores) for one in reply.samples]


async def test_what_was_used_is_told_after_the_end_too(world: World) -> None:
    ref = await world.started((await world.run()).name)
    assert await over_time(world, ref.name) == []
    link = Link(world, ref)
    await link.tell(*(sample(ref, number, 5 * number, number) for number in range(1, 101)))
    await link.acknowledged(100)
    await link.hang_up()
    await world.ended(ref)

    assert await over_time(world, ref.name) == [(1, 0, number) for number in range(1, 101)]
    few = [cores for _, _, cores in await over_time(world, ref.name, 5)]
    assert few == [1, 21, 41, 61, 81, 100]
    async with refused(grpc.StatusCode.NOT_FOUND, "There is no session"):
        await world.sessions(BOB).UsageHistory(pb.UsageHistoryRequest(name=ref.name))
