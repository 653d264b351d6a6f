"""People, teams and tokens: who is who, who belongs where, and how one comes in."""

from collections.abc import Sequence

from nsml_client.modes import Calls, M, Noun, operation
from nsml_core.errors import Invalid, NotFound
from nsml_protos import identity_pb2 as pb

ROLES = {"viewer": pb.VIEWER, "member": pb.MEMBER, "owner": pb.OWNER}


def role_of(name: str) -> "pb.Role.ValueType":
    """Return a role by its name."""
    if name not in ROLES:
        raise Invalid(f"There is no role {name!r}: there are {', '.join(ROLES)}.")
    return ROLES[name]


class Teams(Noun[M]):
    """`client.teams`."""

    @operation
    async def ls(self, *, everybodys: bool = False) -> list[pb.User]:
        """Return your teams, or, for admins, everybody's."""
        request = pb.ListTeamsRequest(all=everybodys)
        reply = await self._calls.call("Identity/ListTeams", request, pb.ListTeamsReply)
        return list(reply.teams)

    @operation
    async def create(self, name: str, owner: str = "") -> pb.User:
        """Make a team; for admins."""
        request = pb.FoundTeamRequest(name=name, owner=owner)
        return await self._calls.call("Identity/FoundTeam", request, pb.User)

    @operation
    async def set_member(self, team: str, name: str, role: str = "member") -> pb.User:
        """Give somebody a role in a team; for its owners.

        Raises:
            NotFound: There is no such team that you belong to.
            Refused: Nobody would be left who gives roles.
        """
        request = pb.SetMemberRequest(team=team, name=name, role=role_of(role))
        return await self._calls.call("Identity/SetMember", request, pb.User)

    @operation
    async def remove_member(self, team: str, name: str) -> pb.User:
        """Let somebody go from a team; for its owners, and for oneself."""
        request = pb.RemoveMemberRequest(team=team, name=name)
        return await self._calls.call("Identity/RemoveMember", request, pb.User)


class Users(Noun[M]):
    """`client.users`."""

    @operation
    async def ls(self) -> list[pb.User]:
        """Return everybody, by name."""
        request = pb.ListUsersRequest()
        reply = await self._calls.call("Identity/ListUsers", request, pb.ListUsersReply)
        return list(reply.users)

    @operation
    async def invite(
        self,
        name: str,
        *,
        admin: bool = False,
        login: str = "",
        mail: str = "",
        full_name: str = "",
    ) -> pb.InviteReply:
        """Make somebody known, or invite them anew; for admins."""
        request = pb.InviteRequest(
            name=name, admin=admin, login=login, mail=mail, full_name=full_name
        )
        return await self._calls.call("Identity/Invite", request, pb.InviteReply)

    @operation
    async def change(
        self,
        name: str,
        *,
        admin: bool | None = None,
        disabled: bool | None = None,
        reason: str = "",
    ) -> pb.User:
        """Let somebody in or not, and be an admin or not; for admins."""
        request = pb.ChangeUserRequest(name=name, admin=admin, disabled=disabled, reason=reason)
        return await self._calls.call("Identity/ChangeUser", request, pb.User)

    @operation
    async def erase(self, name: str) -> pb.User:
        """End an account for good, and destroy what is personal of it; for admins."""
        return await self._calls.call("Identity/EraseUser", pb.EraseUserRequest(name=name), pb.User)


class Tokens(Noun[M]):
    """`client.tokens`."""

    @operation
    async def ls(self) -> list[pb.Token]:
        """Return your tokens; those without a name are logins."""
        request = pb.ListTokensRequest()
        reply = await self._calls.call("Logins/ListTokens", request, pb.ListTokensReply)
        return list(reply.tokens)

    @operation
    async def create(
        self, name: str, *, scopes: Sequence[str] = (), days: int = 0
    ) -> pb.LoginReply:
        """Return a token for scripts; it is shown this once."""
        request = pb.IssueTokenRequest(name=name, scopes=scopes, days=days)
        return await self._calls.call("Logins/IssueToken", request, pb.LoginReply)

    @operation
    async def renew(self) -> pb.LoginReply:
        """Return another login in place of this one."""
        request = pb.IssueTokenRequest()
        return await self._calls.call("Logins/IssueToken", request, pb.LoginReply)

    @operation
    async def revoke(self, token: str = "") -> pb.Token:
        """Make a token void, by its name or id; without one, that which asks."""
        request = pb.RevokeTokenRequest(token=token)
        gone = await self._calls.call("Logins/RevokeToken", request, pb.Token)
        if token and not gone.id:
            raise NotFound(f"You have no token {token} any more: `nsml token ls` shows yours.")
        return gone


class Logins(Noun[M]):
    """`client.logins`: for who has no token yet."""

    @operation
    async def ways(self) -> pb.LoginWaysReply:
        """Return how one may log in."""
        return await self._calls.call("Logins/LoginWays", pb.LoginWaysRequest(), pb.LoginWaysReply)

    @operation
    async def by_password(self, name: str, password: str) -> pb.LoginReply:
        """Log in by name and password."""
        request = pb.LoginRequest(name=name, password=password)
        return await self._calls.call("Logins/Login", request, pb.LoginReply)

    @operation
    async def set_password(self, name: str, secret: str, password: str) -> pb.LoginReply:
        """Choose a password, by an invitation or the one there is, and log in."""
        request = pb.SetPasswordRequest(name=name, secret=secret, password=password)
        return await self._calls.call("Logins/SetPassword", request, pb.LoginReply)

    @operation
    async def begin(self) -> pb.BeginLoginReply:
        """Begin a login at the provider."""
        return await self._calls.call(
            "Logins/BeginLogin", pb.BeginLoginRequest(), pb.BeginLoginReply
        )

    @operation
    async def end(self, begun: pb.BeginLoginReply) -> pb.LoginReply:
        """Wait until somebody has logged in at the provider.

        Raises:
            Refused: The code has expired.
        """
        while True:
            reply = await _end(self._calls, begun.handle)
            if reply.token:
                return reply
            await self._calls.sleep(max(1, begun.interval_seconds))

    @operation
    async def end_once(self, handle: str) -> pb.LoginReply:
        """Return whether somebody has logged in at the provider by now: without a token, not yet.

        Raises:
            Refused: The code has expired.
        """
        return await _end(self._calls, handle)


async def _end(calls: Calls, handle: str) -> pb.LoginReply:
    return await calls.call("Logins/EndLogin", pb.EndLoginRequest(handle=handle), pb.LoginReply)
