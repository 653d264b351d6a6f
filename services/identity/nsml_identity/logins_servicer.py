"""The gRPC face for coming in: passwords, the provider, invitations, and tokens."""

import hashlib
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from nsml_core import auth
from nsml_core.caller import Caller
from nsml_core.calls import Call, current, note_position
from nsml_core.errors import NotPermitted
from nsml_core.store import Decision, Store
from nsml_identity import accounts, decide, passwords
from nsml_identity.passwords import Passwords
from nsml_identity.people import People
from nsml_identity.providers import Vouched
from nsml_identity.ways import Ways
from nsml_protos import identity_pb2 as pb
from nsml_protos.identity_pb2 import Token, User
from nsml_protos.identity_pb2_grpc import LoginsServicer

_DAYS = 365
_NAMES_TRIED = 100


class Logins(LoginsServicer):
    """Lets people in, and gives them tokens."""

    def __init__(self, people: Store[User], known: People, ways: Ways, secret: bytes) -> None:
        self._people = people
        self._known = known
        self._ways = ways
        self._secret = secret
        self._passwords = Passwords()

    async def LoginWays(self, request: pb.LoginWaysRequest, context: Any) -> pb.LoginWaysReply:
        provider = self._ways.provider
        return pb.LoginWaysReply(
            provider=provider.client.issuer if provider else "",
            hours=round(self._ways.lifetime / timedelta(hours=1)),
            passwords=await self._known.has_any(),
        )

    async def Login(self, request: pb.LoginRequest, context: Any) -> pb.LoginReply:
        known = await self._known.secrets(request.name)
        if not await self._passwords.matches(request.name, known.password, request.password):
            raise _no_match()
        return await self._enter(request.name)

    async def BeginLogin(self, request: pb.BeginLoginRequest, context: Any) -> pb.BeginLoginReply:
        handle, begun = await self._ways.begin()
        return pb.BeginLoginReply(
            handle=handle,
            url=begun.url,
            code=begun.code,
            complete_url=begun.complete_url,
            interval_seconds=begun.interval,
            expires_seconds=begun.expires,
        )

    async def EndLogin(self, request: pb.EndLoginRequest, context: Any) -> pb.LoginReply:
        vouched = await self._ways.end(request.handle)
        return await self._enter(await self._name_of(vouched)) if vouched else pb.LoginReply()

    async def SetPassword(self, request: pb.SetPasswordRequest, context: Any) -> pb.LoginReply:
        name = request.name
        passwords.check(request.password, name)
        known = await self._known.secrets(name)
        accounts.check_may_enter(await self._people.get(name))
        is_let = known.is_invited(request.secret, datetime.now(UTC))
        if is_let or await self._passwords.matches(name, known.password, request.secret):
            await self._known.set_password(name, await self._passwords.hash(request.password))
        elif not await self._passwords.matches(name, known.password, request.password):
            raise NotPermitted("That is neither an invitation that is still good nor the password.")
        return await self._enter(name, end_others=True)

    async def IssueToken(self, request: pb.IssueTokenRequest, context: Any) -> pb.LoginReply:
        call = current()
        accounts.check_no_wider(call.caller.scopes, request.name, request.scopes)
        if not request.name:
            return await self._enter(call.caller.name, instead=call.caller.token)
        accounts.check_personal(request.name, request.scopes, request.days)
        token = accounts.new_token(
            _token_id(call.caller.name),
            datetime.now(UTC),
            timedelta(days=request.days or _DAYS),
            name=request.name,
            scopes=request.scopes,
        )
        return await self._issue(
            call, call.caller.name, token, partial(accounts.issue, token=token)
        )

    async def ListTokens(self, request: pb.ListTokensRequest, context: Any) -> pb.ListTokensReply:
        state = await self._people.get(current().caller.name)
        return pb.ListTokensReply(tokens=state.tokens)

    async def RevokeToken(self, request: pb.RevokeTokenRequest, context: Any) -> Token:
        call = current()
        wanted = request.token or call.caller.token
        before = await self._people.get(call.caller.name)
        found = next((one for one in before.tokens if wanted in {one.id, one.name}), Token())
        asked = partial(accounts.revoke, token=wanted)
        await self._people.decide(call.caller.name, call.context(), asked)
        return found

    async def _enter(
        self, name: str, *, instead: str = "", end_others: bool = False
    ) -> pb.LoginReply:
        """Log somebody in; the log says that it was they who did it."""
        token = accounts.new_token(_token_id(name), datetime.now(UTC), self._ways.lifetime)
        call = Call(Caller("user", name), current().request_id, current().traceparent)
        asked = partial(accounts.enter, token=token, instead=instead, end_others=end_others)
        return await self._issue(call, name, token, asked)

    async def _issue(
        self, call: Call, name: str, token: Token, asked: Decision[User]
    ) -> pb.LoginReply:
        state = await self._people.decide(name, call.context(), asked)
        note_position(call.position)
        about = next(one for one in state.tokens if one.id == token.id)
        scopes = frozenset(about.scopes)
        caller = Caller("user", name, admin=state.admin, token=about.id, scopes=scopes)
        lifetime = about.expires.seconds - int(datetime.now(UTC).timestamp())
        signed = auth.issue(self._secret, caller, lifetime_seconds=lifetime)
        return pb.LoginReply(token=signed, about=about, name=name)

    async def _name_of(self, vouched: Vouched) -> str:
        """Return who a provider's subject is here; one that nobody knows may join, or not."""
        provider = self._ways.provider
        assert provider is not None  # noqa: S101 - who vouched, if not it
        issuer = provider.client.issuer
        name = await self._known.linked(issuer, vouched.subject)
        if name is not None:
            return name
        name = await self._known.expected(vouched.login)
        if name is None and not provider.client.may_join:
            raise NotPermitted(
                f"Nobody here is {vouched.login} at {issuer}: ask an admin for "
                f"`nsml user add NAME --login {vouched.login}`."
            )
        name = name or await self._join(vouched.login)
        await self._known.link(issuer, vouched.subject, name)
        return name

    async def _join(self, login: str) -> str:
        """Register somebody under a name that is free; never under one that somebody has."""
        wanted = decide.portable(login)
        for number in range(1, _NAMES_TRIED):
            name = wanted if number == 1 else f"{wanted[:17]}-{number}"
            if not (await self._people.get(name)).name:
                context = Call(Caller("service", "identity")).context()
                asked = partial(decide.register, name=name, admin=False)
                await self._people.decide(name, context, asked)
                return name
        raise NotPermitted(f"Too many are called {login} here: ask an admin for a name.")


def _token_id(name: str) -> str:
    """Return the id of the token that this request leads to, however often it is made."""
    return hashlib.sha256(f"{current().request_id} {name}".encode()).hexdigest()[:32]


def _no_match() -> NotPermitted:
    return NotPermitted("That name and password do not go together here.")
