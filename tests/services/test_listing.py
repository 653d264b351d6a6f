"""The list of sessions, looked through a page at a time, by words and by status."""

from typing import Any

from nsml_protos import session_pb2 as pb
from tests.services.world import World


async def test_a_list_is_looked_through_a_page_at_a_time(world: World) -> None:
    for number in range(5):
        await world.run(memo=f"Try {number}" if number else "", args=["--lr", f"0.{number}%_"])
    await world.sessions().Stop(pb.StopRequest(name="ann/None/5"))
    await world.floors["session"].view.see_all()

    async def listed(**asked: Any) -> tuple[list[str], int]:
        reply = await world.sessions().List(pb.ListSessionsRequest(all=True, **asked))
        return [row.session.name[-1] for row in reply.sessions], reply.total

    assert await listed(limit=2) == (["5", "4"], 5)
    assert await listed(limit=2, offset=4) == (["1"], 5)
    assert await listed(words="TRY lr") == (["5", "4", "3", "2"], 4)
    assert await listed(words="0.3%_") == (["4"], 1)
    assert await listed(words="%") == await listed()
    assert await listed(words="nowhere") == ([], 0)
    named = ["ann/None/2", "ann/None/4", "ann/None/9"]
    assert await listed(names=named) == (["4", "2"], 2)
    assert await listed(names=named, words="0.3") == (["4"], 1)
    assert await listed(statuses=[pb.STOPPED]) == (["5"], 1)
