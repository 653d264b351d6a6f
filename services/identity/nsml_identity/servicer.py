"""The gRPC face of identity."""

from functools import partial
from typing import Any

from nsml_core import auth
from nsml_core.caller import Caller
from nsml_core.calls import current
from nsml_core.directory import Directory
from nsml_core.errors import Invalid, NotFound
from nsml_core.store import Store
from nsml_core.views import View
from nsml_identity import accounts, decide, teams
from nsml_identity.decide import check_name
from nsml_identity.people import INVITATION_HOURS, People
from nsml_identity.views import list_teams, list_users, public
from nsml_protos import identity_pb2 as pb
from nsml_protos.identity_pb2 import Role, User
from nsml_protos.identity_pb2_grpc import IdentityServicer


class Identity(IdentityServicer):
    """Knows people and teams, and vouches for runners."""

    def __init__(
        self, people: Store[User], view: View, secret: bytes, directory: Directory, known: People
    ) -> None:
        self._people = people
        self._view = view
        self._secret = secret
        self._directory = directory
        self._known = known

    async def WhoAmI(self, request: pb.WhoAmIRequest, context: Any) -> User:
        name = current().caller.name
        user = await self._people.get(name)
        if not user.name:
            raise NotFound(f"There is no user {name} here: log in again.")
        return user

    async def ListUsers(self, request: pb.ListUsersRequest, context: Any) -> pb.ListUsersReply:
        return pb.ListUsersReply(users=await list_users(self._view))

    async def IssueRunnerToken(
        self, request: pb.IssueRunnerTokenRequest, context: Any
    ) -> pb.TokenReply:
        runner = Caller("runner", request.session, request.attempt, rank=request.rank)
        return pb.TokenReply(token=auth.issue(self._secret, runner))

    async def ListTeams(self, request: pb.ListTeamsRequest, context: Any) -> pb.ListTeamsReply:
        caller = current().caller
        everybodys = request.all and caller.admin
        found = await list_teams(self._view, None if everybodys else caller.name)
        return pb.ListTeamsReply(teams=found)

    async def FoundTeam(self, request: pb.FoundTeamRequest, context: Any) -> User:
        call = current()
        owner = request.owner or call.caller.name
        check_name(request.name, "a team's")
        self._check_person(owner)
        asked = partial(teams.found, name=request.name, owner=owner)
        return await self._people.decide(request.name, call.context(), asked)

    async def SetMember(self, request: pb.SetMemberRequest, context: Any) -> User:
        await self._team(request.team)
        self._check_person(request.name)
        asked = partial(teams.set_member, name=request.name, role=request.role or Role.MEMBER)
        return await self._people.decide(request.team, current().context(), asked)

    async def RemoveMember(self, request: pb.RemoveMemberRequest, context: Any) -> User:
        call = current()
        if request.name != call.caller.name or not call.sees(request.team):
            await self._team(request.team)
        asked = partial(teams.remove_member, name=request.name)
        return await self._people.decide(request.team, call.context(), asked)

    async def Invite(self, request: pb.InviteRequest, context: Any) -> pb.InviteReply:
        asked = partial(decide.register, name=request.name, admin=request.admin)
        check_name(request.name)
        user = await self._people.decide(request.name, current().context(), asked)
        invitation = await self._known.invite(
            request.name, login=request.login, mail=request.mail, full_name=request.full_name
        )
        return pb.InviteReply(user=public(user), invitation=invitation, hours=INVITATION_HOURS)

    async def ChangeUser(self, request: pb.ChangeUserRequest, context: Any) -> User:
        call = current()
        accounts.check_not_self(request.name, call.caller.name)
        asked = partial(
            accounts.change,
            admin=request.admin if request.HasField("admin") else None,
            disabled=request.disabled if request.HasField("disabled") else None,
            reason=request.reason,
        )
        return public(await self._people.decide(request.name, call.context(), asked))

    async def EraseUser(self, request: pb.EraseUserRequest, context: Any) -> User:
        call = current()
        accounts.check_not_self(request.name, call.caller.name)
        user = await self._people.decide(request.name, call.context(), accounts.erase)
        await self._known.erase(request.name)
        return public(user)

    async def _team(self, name: str) -> None:
        """Refuse what is no team, or none with which the caller may do what they ask for."""
        if not self._directory.is_team(name):
            raise teams.unknown(name)
        current().require(name, teams.unknown(name))

    def _check_person(self, name: str) -> None:
        if not self._directory.is_person(name):
            raise Invalid(f"There is no user {name} here: `nsml user ls` shows who is.")
