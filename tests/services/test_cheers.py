"""Cheering: whom, by whom, and what of it is shown."""

import grpc

from nsml_core.caller import Caller
from nsml_protos import board_pb2 as pb
from tests.services.competition import boards, opened, scored, trained
from tests.services.test_boards import ranking
from tests.services.world import ANN, BOB, ROOT, World, refused

Code = grpc.StatusCode


async def test_people_cheer_whom_they_see_on_the_ranking(world: World) -> None:
    board = await opened(world, "cheered", successes=5)
    source = await trained(world, "cheered")
    await scored(world, source, 0.5)

    async def cheer(caller: Caller, owner: str = "bob", *, withdraw: bool = False) -> pb.CheerReply:
        asked = pb.CheerRequest(name=board.name, owner=owner, withdraw=withdraw)
        return await boards(world, caller).Cheer(asked)

    assert await cheer(ANN) == await cheer(ANN) == pb.CheerReply(cheers=1, cheered=True)
    assert await cheer(ROOT) == pb.CheerReply(cheers=2, cheered=True)
    assert await cheer(ROOT, withdraw=True) == pb.CheerReply(cheers=1)
    await world.floors["dataset"].view.see_all()
    for caller, mine in ((ANN, True), (ROOT, False), (BOB, False)):
        (row,) = (await ranking(world, board.name, caller)).standings
        assert (row.cheers, row.cheered) == (1, mine)
    async with refused(Code.FAILED_PRECONDITION, "nobody cheers themself"):
        await cheer(BOB)
    await boards(world).Freeze(pb.FreezeRequest(name=board.name))
    late = await trained(world, "cheered", ROOT)
    await scored(world, late, 0.9, ROOT)
    async with refused(Code.NOT_FOUND, "root is not on the board cheered"):
        await cheer(BOB, "root")  # nor does anybody learn so that they were scored since
    (row,) = (await ranking(world, board.name)).standings
    assert row.cheers == 1
    verified = await boards(world, ANN).Verify(pb.BoardRef(name=board.name))
    assert [row.cheers for row in verified.standings] == [0, 1]
    assert list(verified.problems) == []
