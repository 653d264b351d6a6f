"""A frame that is lost on its way is noticed before it is acknowledged."""

import contextlib

import grpc
import grpc.aio

from tests.services.link import Link, lines, output
from tests.services.world import World, refused

Code = grpc.StatusCode


async def test_a_frame_before_which_one_is_missing_is_not_acknowledged(world: World) -> None:
    name = (await world.run()).name
    ref = await world.started(name)
    link = Link(world, ref)
    await link.say(1)
    await link.acknowledged(1)
    async with refused(Code.UNAVAILABLE, "3 came, and 2 did not"):
        await link.say(3)
        await link.acknowledged(3)
    again = Link(world, ref)
    await again.say(2, 3)
    await again.acknowledged(3)
    for _ in range(2):  # what the runner does not have any more does not come
        last = Link(world, ref)
        with contextlib.suppress(grpc.aio.AioRpcError):
            await last.say(7)
            await last.acknowledged(7)

    assert await output(world, name) == lines(1, 2, 3, 7)
