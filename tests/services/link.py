"""A runner's line to the session service, as a test holds it."""

from typing import Any

import pytest

from nsml_protos import session_pb2 as pb
from tests.services.world import World


def said(ref: pb.AttemptRef, number: int, data: bytes, time_us: int = 0) -> pb.Frame:
    """A frame with one piece of output."""
    piece = pb.LogPiece(time_us=time_us or number, source=pb.STDOUT, data=data)
    return pb.Frame(ref=ref, number=number, log=[piece])


def points(ref: pb.AttemptRef, number: int, *given: tuple[str, float, float]) -> pb.Frame:
    """A frame with points: series, step and value of each."""
    series = sorted({name for name, _, _ in given})
    columns = pb.Points(
        series=series,
        series_index=[series.index(name) for name, _, _ in given],
        steps=[step for _, step, _ in given],
        times_us=[int(step) for _, step, _ in given],
        values=[value for _, _, value in given],
    )
    return pb.Frame(ref=ref, number=number, points=columns)


class Link:
    """Tells frames, and reads the orders that come back."""

    def __init__(self, world: World, ref: pb.AttemptRef) -> None:
        self.ref = ref
        self.call: Any = world.attempts(ref.name, ref.attempt, ref.rank).Link()
        self.orders: list[pb.Order] = []

    async def tell(self, *frames: pb.Frame) -> None:
        for frame in frames:
            await self.call.write(frame)

    async def say(self, *numbers: int) -> None:
        """Tell frames whose output is their number, a line each."""
        await self.tell(*(said(self.ref, number, b"%d\n" % number) for number in numbers))

    async def acknowledged(self, number: int) -> None:
        """Wait until every frame up to this one is safe."""
        while True:
            order = await self.call.read()
            self.orders.append(order)
            if order.acknowledged == number:
                return

    async def hang_up(self) -> None:
        """Say the last word, and read what is left."""
        await self.call.done_writing()
        self.orders += [order async for order in self.call]


async def output(world: World, name: str, since_us: int = 0) -> bytes:
    """Everything that a session has said so far."""
    replies = world.sessions().Logs(pb.LogsRequest(name=name, since_us=since_us))
    return b"".join([piece.data async for reply in replies for piece in reply.pieces])


def lines(*numbers: int) -> bytes:
    return b"".join(b"%d\n" % number for number in numbers)


@pytest.fixture
async def ref(world: World) -> pb.AttemptRef:
    """A session that runs, for tests that import it."""
    return await world.started((await world.run()).name)


async def told(world: World, ref: pb.AttemptRef, *frames: pb.Frame) -> None:
    """Tell frames as a runner does that ends then."""
    link = Link(world, ref)
    await link.tell(*frames)
    await link.hang_up()
