"""Who shares what with whom: teams, what is private, and what others are told of it."""

from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from nsml_core.gate import POSITION
from nsml_core.masks import SOMEBODYS
from nsml_protos import dataset_pb2 as ds
from nsml_protos import dataset_pb2_grpc, ledger_pb2_grpc, session_pb2_grpc
from nsml_protos import identity_pb2 as idn
from nsml_protos import ledger_pb2 as lg
from nsml_protos import session_pb2 as pb
from nsml_protos.identity_pb2 import MemberLeft, Role
from tests.services.acting import CREW, MIA, SAM, VIC, acting, found_crew, register
from tests.services.link import Link
from tests.services.world import ANN, ROOT, World, refused, request

Code = grpc.StatusCode


@pytest.fixture
async def crew(world: World) -> World:
    await found_crew(world)
    return world


def for_crew(world: World, who: Any = MIA) -> Any:
    return session_pb2_grpc.SessionsStub(acting(world.channel("session", who), CREW))


async def run(world: World, **named: Any) -> str:
    reply = await for_crew(world).Run(request(**named))
    return str(reply.session.name)


async def test_a_team_owns_what_its_members_make_for_it(crew: World) -> None:
    name = await run(crew)
    found = await crew.sessions(ANN).Get(pb.SessionRef(name=name))

    assert (name, found.owner) == ("crew/None/1", CREW)
    await crew.sessions(ANN).Stop(pb.StopRequest(name=name))


async def test_who_sees_it_changes_it_only_with_a_role_for_it(crew: World) -> None:
    name = await run(crew)
    stop = pb.StopRequest(name=name)

    await crew.sessions(VIC).Get(pb.SessionRef(name=name))
    async with refused(Code.PERMISSION_DENIED, "belongs to crew"):
        await crew.sessions(VIC).Stop(stop)
    async with refused(Code.PERMISSION_DENIED, "change nothing of it"):
        await for_crew(crew, VIC).Run(request())
    async with refused(Code.NOT_FOUND, "There is no session crew/None/1"):
        await crew.sessions(SAM).Stop(stop)
    async with refused(Code.NOT_FOUND, "no team crew that you belong to"):
        await for_crew(crew, SAM).Run(request())


async def test_what_one_may_not_see_is_said_to_be_missing_in_the_same_words(crew: World) -> None:
    there = await run(crew)
    said = []
    for name in (there, "crew/None/77"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await crew.sessions(SAM).Get(pb.SessionRef(name=name))
        said.append((caught.value.code(), str(caught.value.details()).replace(name, "it")))

    assert said[0] == said[1]


async def test_who_leaves_is_out_at_once(crew: World) -> None:
    name = await run(crew)
    await crew.tell(CREW, MemberLeft(name="mia"))

    async with refused(Code.NOT_FOUND):
        await crew.sessions(MIA).Get(pb.SessionRef(name=name))


async def test_who_leaves_follows_a_log_no_further(crew: World) -> None:
    ref = await crew.started(await run(crew))
    call = crew.sessions(MIA).Logs(pb.LogsRequest(name=ref.name, follow=True))
    assert (await call.read()).live
    await crew.tell(CREW, MemberLeft(name="mia"))
    await Link(crew, ref).say(1)

    async with refused(Code.PERMISSION_DENIED, "what you were has ended"):
        await call.read()


async def test_the_list_is_of_whom_one_acts_for_or_names(crew: World) -> None:
    await run(crew)
    await crew.run(MIA)
    await crew.floors["session"].view.see_all()

    async def listed(stub: Any, **named: Any) -> list[str]:
        reply = await stub.List(pb.ListSessionsRequest(**named))
        return [row.session.name for row in reply.sessions]

    mine, theirs = crew.sessions(MIA), crew.sessions(SAM)
    assert await listed(mine) == ["mia/None/1"]
    assert await listed(for_crew(crew)) == ["crew/None/1"]
    assert await listed(mine, pattern="crew/*") == ["crew/None/1"]
    assert await listed(mine, owner=CREW) == ["crew/None/1"]
    assert await listed(theirs, pattern="crew/*") == []
    assert await listed(theirs, owner=CREW) == []


async def test_a_private_dataset_of_a_team_is_the_teams(crew: World, tmp_path: Path) -> None:
    tree = await crew.stored(tmp_path / "data", "text")
    theirs = dataset_pb2_grpc.DatasetsStub(acting(crew.channel("dataset", MIA), CREW))
    await theirs.Push(ds.PushRequest(name="faces", tree=tree, private=True))
    await crew.floors["dataset"].view.see_all()

    for who in (ANN, VIC, ROOT):
        assert (await crew.datasets(who).Get(ds.DatasetRef(name="faces"))).owner == CREW
        assert (await crew.datasets(who).List(ds.ListDatasetsRequest())).datasets
    async with refused(Code.NOT_FOUND, "no dataset faces"):
        await crew.datasets(SAM).Get(ds.DatasetRef(name="faces"))
    assert not (await crew.datasets(SAM).List(ds.ListDatasetsRequest())).datasets
    async with refused(Code.PERMISSION_DENIED, "belongs to crew"):
        await crew.datasets(VIC).Push(ds.PushRequest(name="faces", tree=tree))
    async with refused(Code.PERMISSION_DENIED, "takes an owner"):
        await crew.datasets(MIA).Remove(ds.DatasetRef(name="faces"))
    assert (await crew.run(MIA, datasets=["faces"])).name == "mia/faces/1"
    async with refused(Code.NOT_FOUND, "no dataset faces"):
        await crew.run(SAM, datasets=["faces"])


async def test_who_waits_is_told_who_holds_the_room_only_if_they_may_know(crew: World) -> None:
    name = (await crew.run(SAM)).name
    reason, holders = "waits for crew/None/4 to stop", ["crew/None/4", "sam/None/1"]
    await crew.placements().Wait(pb.WaitRequest(name=name, reason=reason, holders=holders))

    state = await crew.sessions(SAM).Get(pb.SessionRef(name=name))
    lines = (await crew.sessions(SAM).History(pb.HistoryRequest(name=name))).lines

    assert state.reason == f"waits for {SOMEBODYS} to stop"
    assert not any(CREW in line.detail for line in lines)
    assert any("sam/None/1" in line.detail for line in lines if line.event == "Waiting")
    told_all = (await crew.sessions(ROOT).History(pb.HistoryRequest(name=name))).lines
    assert any("crew/None/4" in line.detail for line in told_all)


async def test_a_team_has_credit_of_its_own(crew: World) -> None:
    await crew.ledger(ROOT).Grant(lg.GrantRequest(owner=CREW, amount=7))
    stub = ledger_pb2_grpc.LedgerStub(acting(crew.channel("ledger", MIA), CREW))

    mine = await crew.ledger(MIA).Balance(lg.BalanceRequest())
    theirs = await stub.Balance(lg.BalanceRequest())

    assert (mine.owner, theirs.owner) == ("mia", CREW)
    assert await crew.ledger(VIC).Balance(lg.BalanceRequest(owner=CREW)) == theirs
    async with refused(Code.PERMISSION_DENIED, "theirs to read"):
        await crew.ledger(SAM).Balance(lg.BalanceRequest(owner=CREW))


async def test_teams_are_founded_by_admins_and_led_by_their_owners(world: World) -> None:
    await register(world, MIA, VIC, SAM)
    root = world.identity(ROOT)
    await root.FoundTeam(idn.FoundTeamRequest(name="lab", owner="mia"))
    call = world.identity(MIA).SetMember(idn.SetMemberRequest(team="lab", name="vic"))
    team = await call
    trailing = await call.trailing_metadata()
    position = next(value for key, value in trailing if key == POSITION)
    see = ((POSITION, position),)

    assert [(one.name, one.role) for one in team.members] == [
        ("mia", Role.OWNER),
        ("vic", Role.MEMBER),
    ]
    vics = await world.identity(VIC).ListTeams(idn.ListTeamsRequest(), metadata=see)
    assert [one.name for one in vics.teams] == ["lab"]
    assert not (await world.identity(SAM).ListTeams(idn.ListTeamsRequest(all=True))).teams
    add = idn.SetMemberRequest(team="lab", name="sam")
    async with refused(Code.PERMISSION_DENIED, "takes an owner"):
        await world.identity(VIC).SetMember(add)
    async with refused(Code.NOT_FOUND, "no team lab"):
        await world.identity(SAM).SetMember(add)
    async with refused(Code.FAILED_PRECONDITION, "only owner of lab"):
        await world.identity(MIA).RemoveMember(idn.RemoveMemberRequest(team="lab", name="mia"))
    left = await world.identity(VIC).RemoveMember(idn.RemoveMemberRequest(team="lab", name="vic"))
    assert [one.name for one in left.members] == ["mia"]
    async with refused(Code.PERMISSION_DENIED, "Only an admin"):
        await world.identity(SAM).FoundTeam(idn.FoundTeamRequest(name="mine"))
    async with refused(Code.ALREADY_EXISTS, "is taken"):
        await root.FoundTeam(idn.FoundTeamRequest(name="vic", owner="mia"))
    async with refused(Code.INVALID_ARGUMENT, "no user nobody"):
        await root.FoundTeam(idn.FoundTeamRequest(name="more", owner="nobody"))


async def test_a_service_waits_for_what_its_caller_saw_of_identity(world: World) -> None:
    await register(world, MIA)
    for number in range(5):
        team = f"team{number}"
        call = world.identity(ROOT).FoundTeam(idn.FoundTeamRequest(name=team, owner="mia"))
        await call
        seen = tuple(pair for pair in await call.trailing_metadata() if pair[0] == POSITION)
        channel = acting(world.channel("session", MIA), team, seen)

        reply = await session_pb2_grpc.SessionsStub(channel).Run(request())

        assert reply.session.owner == team
