"""One example of every RPC of identity, as in `asked.py`."""

from collections.abc import Callable
from typing import Any

from nsml_protos import identity_pb2 as idn
from tests.faults.asked import Example, Prepare, just, of
from tests.services.world import ROOT, SCHEDULER, World


def _named(make: Callable[[int], Any]) -> Prepare:
    async def prepare(_world: World, number: int) -> Any:
        return make(number)

    return prepare


async def _team(world: World, number: int) -> str:
    """A team that Ann leads, with Dan in it, and not Eve."""
    for name in ("dan", "eve"):
        await world.tell(name, idn.Registered(name=name))
    team = f"team{number}"
    roles = {"ann": idn.OWNER, "dan": idn.MEMBER, "mia": idn.MEMBER, "vic": idn.VIEWER}
    members = [idn.MemberSet(name=name, role=role) for name, role in roles.items()]
    await world.tell(team, idn.TeamFounded(name=team), *members)
    return team


EXAMPLES = (
    Example("Identity/WhoAmI", just(idn.WhoAmIRequest())),
    Example("Identity/ListUsers", just(idn.ListUsersRequest())),
    Example("Identity/ListTeams", just(idn.ListTeamsRequest())),
    Example(
        "Identity/FoundTeam",
        _named(lambda number: idn.FoundTeamRequest(name=f"team{number}", owner="ann")),
        ("TeamFounded", "MemberSet"),
        caller=ROOT,
    ),
    Example(
        "Identity/SetMember",
        of(_team, lambda team: idn.SetMemberRequest(team=team, name="eve", role=idn.VIEWER)),
        ("MemberSet",),
    ),
    Example(
        "Identity/RemoveMember",
        of(_team, lambda team: idn.RemoveMemberRequest(team=team, name="dan")),
        ("MemberLeft",),
    ),
    Example(
        "Identity/IssueRunnerToken",
        just(idn.IssueRunnerTokenRequest(session="ann/None/1", attempt=1)),
        caller=SCHEDULER,
    ),
)
