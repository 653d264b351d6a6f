"""One example of every RPC of identity, as in `asked.py`."""

from collections.abc import Callable
from typing import Any

from nsml_core.caller import NOBODY, Caller
from nsml_protos import identity_pb2 as idn
from tests.faults.asked import Example, Prepare, just, of
from tests.services.world import ANN, ROOT, SCHEDULER, World


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


async def _person(world: World, number: int) -> str:
    name = f"person{number}"
    await world.tell(name, idn.Registered(name=name))
    return name


async def _invited(world: World, number: int) -> idn.SetPasswordRequest:
    request = idn.InviteRequest(name=f"person{number}")
    reply = await world.identity(ROOT).Invite(request)
    return idn.SetPasswordRequest(
        name=request.name, secret=reply.invitation, password=f"correct horse {number}"
    )


async def _with_password(world: World, number: int) -> idn.LoginRequest:
    asked = await _invited(world, number)
    await world.logins(None).SetPassword(asked)
    return idn.LoginRequest(name=asked.name, password=asked.password)


async def _token(world: World, number: int) -> idn.RevokeTokenRequest:
    name = f"script{number}"
    await world.logins().IssueToken(idn.IssueTokenRequest(name=name))
    return idn.RevokeTokenRequest(token=name)


async def _issued(world: World, number: int) -> idn.IssueTokenRequest:
    for who in (ANN, *_OTHERS):
        await world.tell(who.name, idn.Registered(name=who.name, admin=who.admin))
    return idn.IssueTokenRequest(name=f"new{number}", scopes=["manage"])


_OTHERS = (*(Caller("user", name) for name in ("mia", "vic", "sam")), ROOT)
"""All whom a test may let ask the same of what is their own."""

EXAMPLES = (
    Example("Logins/LoginWays", just(idn.LoginWaysRequest()), caller=NOBODY),
    Example("Logins/Login", _with_password, ("TokenIssued",), caller=NOBODY),
    # Without a provider there is nothing to begin, or to end.
    Example("Logins/BeginLogin", just(idn.BeginLoginRequest()), caller=NOBODY),
    Example("Logins/EndLogin", just(idn.EndLoginRequest(handle="none")), caller=NOBODY),
    Example("Logins/SetPassword", _invited, ("TokenIssued",), caller=NOBODY),
    Example("Logins/IssueToken", _issued, ("TokenIssued",)),
    Example("Logins/ListTokens", just(idn.ListTokensRequest())),
    Example("Logins/RevokeToken", _token, ("TokenRevoked",)),
    Example(
        "Identity/Invite",
        _named(lambda number: idn.InviteRequest(name=f"guest{number}")),
        ("Registered",),
        caller=ROOT,
    ),
    Example(
        "Identity/ChangeUser",
        of(_person, lambda name: idn.ChangeUserRequest(name=name, disabled=True)),
        ("Disabled",),
        caller=ROOT,
    ),
    Example(
        "Identity/EraseUser",
        of(_person, lambda name: idn.EraseUserRequest(name=name)),
        ("Erased",),
        caller=ROOT,
    ),
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
