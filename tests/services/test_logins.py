"""How people come in, how long they are in, and what puts them out."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest

from nsml_core import clients
from nsml_core.caller import NOBODY, Caller
from nsml_protos import identity_pb2 as pb
from nsml_protos.care_pb2 import TrailRequest, VerifyLogRequest
from nsml_protos.care_pb2_grpc import CareStub
from nsml_protos.identity_pb2_grpc import IdentityStub, LoginsStub
from nsml_protos.session_pb2 import ListSessionsRequest, SessionRef
from nsml_protos.session_pb2_grpc import SessionsStub
from tests.services.world import ROOT, World, refused, request

Code = grpc.StatusCode
WORDS, OTHER, WRONG = "a long enough password", "quite another password", "wrong"


class Bearer:
    """Somebody with a token, at every service."""

    def __init__(self, world: World, token: str) -> None:
        address = world.settings.addresses
        self.channels = {name: clients.connect(address[name], token) for name in address}
        self.identity: Any = IdentityStub(self.channels["identity"])
        self.logins: Any = LoginsStub(self.channels["identity"])
        self.sessions: Any = SessionsStub(self.channels["session"])

    async def name(self) -> str:
        return str((await self.identity.WhoAmI(pb.WhoAmIRequest())).name)


@pytest.fixture
async def bearers(world: World) -> AsyncIterator[Any]:
    made: list[Bearer] = []

    def bearer(token: str) -> Bearer:
        made.append(Bearer(world, token))
        return made[-1]

    yield bearer
    for one in made:
        for channel in one.channels.values():
            await channel.close()


async def joined(world: World, name: str = "mia", **named: Any) -> pb.LoginReply:
    """Somebody who was invited, and chose a password."""
    invited = await world.identity(ROOT).Invite(pb.InviteRequest(name=name, **named))
    asked = pb.SetPasswordRequest(name=name, secret=invited.invitation, password=WORDS)
    reply: pb.LoginReply = await world.logins(NOBODY).SetPassword(asked)
    return reply


async def until_known(world: World) -> None:
    """Wait until every service knows what identity has said."""
    newest = await world.floors["identity"].log.newest(["nsml.identity.>"])
    for floor in world.floors.values():
        await floor.directory.wait_for(newest)


async def test_an_invitation_is_good_once(world: World, bearers: Any) -> None:
    invited = await world.identity(ROOT).Invite(pb.InviteRequest(name="mia"))
    nobody = world.logins(NOBODY)
    asked = pb.SetPasswordRequest(name="mia", secret=invited.invitation, password=WORDS)
    first = await nobody.SetPassword(asked)

    assert await bearers(first.token).name() == "mia"
    assert (first.about.expires.seconds - first.about.issued.seconds) == 160 * 3600
    asked.password = OTHER
    async with refused(Code.PERMISSION_DENIED, "neither an invitation"):
        await nobody.SetPassword(asked)
    again = await nobody.Login(pb.LoginRequest(name="mia", password=WORDS))
    assert await bearers(again.token).name() == "mia"


async def test_who_is_unknown_and_what_is_wrong_are_refused_in_the_same_words(world: World) -> None:
    await joined(world)
    said = set()
    for name, password in (("mia", "wrong"), ("nobody", WORDS), ("ann", WORDS), ("mia", "")):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await world.logins(NOBODY).Login(pb.LoginRequest(name=name, password=password))
        said.add((caught.value.code(), caught.value.details()))

    assert said == {(Code.PERMISSION_DENIED, "That name and password do not go together here.")}


async def test_who_guesses_has_to_wait(world: World) -> None:
    await joined(world)
    wrong = pb.LoginRequest(name="mia", password=WRONG)
    for _ in range(5):
        async with refused(Code.PERMISSION_DENIED):
            await world.logins(NOBODY).Login(wrong)

    async with refused(Code.RESOURCE_EXHAUSTED, "Too many wrong passwords for mia"):
        await world.logins(NOBODY).Login(pb.LoginRequest(name="mia", password=WORDS))


@pytest.mark.parametrize("password", ["short", "miamiamia", "aaaaaaaaaaaaaaa", "x" * 1001])
async def test_a_password_is_not_soon_guessed(world: World, password: str) -> None:
    invited = await world.identity(ROOT).Invite(pb.InviteRequest(name="mia"))
    asked = pb.SetPasswordRequest(name="mia", secret=invited.invitation, password=password)
    async with refused(Code.INVALID_ARGUMENT, "password"):
        await world.logins(NOBODY).SetPassword(asked)


async def test_another_password_ends_all_logins(world: World, bearers: Any) -> None:
    old = bearers((await joined(world)).token)
    await old.sessions.Run(request())
    asked = pb.SetPasswordRequest(name="mia", secret=WORDS, password=OTHER)
    new = bearers((await world.logins(NOBODY).SetPassword(asked)).token)
    await until_known(world)

    for call in (old.name(), old.sessions.List(ListSessionsRequest())):
        async with refused(Code.UNAUTHENTICATED, "was revoked: log in again"):
            await call
    assert await new.name() == "mia"


async def test_who_logs_out_is_out_everywhere(world: World, bearers: Any) -> None:
    mia = bearers((await joined(world)).token)
    await mia.logins.RevokeToken(pb.RevokeTokenRequest())
    await until_known(world)

    async with refused(Code.UNAUTHENTICATED, "was revoked"):
        await mia.sessions.List(ListSessionsRequest())


async def test_who_is_disabled_is_nobody_until_enabled(world: World, bearers: Any) -> None:
    mia = bearers((await joined(world)).token)
    change = pb.ChangeUserRequest(name="mia", disabled=True)
    await world.identity(ROOT).ChangeUser(change)
    await until_known(world)
    async with refused(Code.UNAUTHENTICATED, "Nobody may speak as mia"):
        await mia.sessions.List(ListSessionsRequest())
    async with refused(Code.PERMISSION_DENIED):
        await world.logins(NOBODY).Login(pb.LoginRequest(name="mia", password=WORDS))
    change.disabled = False
    await world.identity(ROOT).ChangeUser(change)
    await until_known(world)

    await mia.sessions.List(ListSessionsRequest())


async def test_an_erased_account_leaves_nothing_personal_and_whole_chains(
    world: World, bearers: Any
) -> None:
    mia = bearers((await joined(world, mail="mia@example.org", full_name="Mia Moe")).token)
    await mia.sessions.Run(request())
    await world.identity(ROOT).EraseUser(pb.EraseUserRequest(name="mia"))
    await until_known(world)

    floor = world.floors["identity"]
    assert not await floor.pool.fetchval("select count(*) from identity_people.person")
    records = await floor.log.read("nsml.>")
    assert not any(word in one.data for one in records for word in (b"example.org", b"Moe"))
    found = CareStub(world.channel("identity", ROOT)).VerifyLog(VerifyLogRequest())
    assert [finding async for reply in found for finding in reply.findings] == []
    async with refused(Code.UNAUTHENTICATED):
        await mia.sessions.List(ListSessionsRequest())
    async with refused(Code.ALREADY_EXISTS, "is taken"):
        await world.identity(ROOT).Invite(pb.InviteRequest(name="mia"))


async def test_a_token_for_scripts_may_what_it_is_for(world: World, bearers: Any) -> None:
    mia = bearers((await joined(world)).token)
    asked = pb.IssueTokenRequest(name="nightly", scopes=["read"])
    script = bearers((await mia.logins.IssueToken(asked)).token)

    await script.sessions.List(ListSessionsRequest())
    async with refused(Code.PERMISSION_DENIED, "this needs write"):
        await script.sessions.Run(request())
    async with refused(Code.ALREADY_EXISTS, "have a token nightly already"):
        await mia.logins.IssueToken(asked)
    manager = pb.IssueTokenRequest(name="manager", scopes=["manage"])
    manager_token = bearers((await mia.logins.IssueToken(manager)).token)
    for scopes in ([], ["write"]):
        wider = pb.IssueTokenRequest(name="wider", scopes=scopes)
        async with refused(Code.PERMISSION_DENIED, "makes no token that may more"):
            await manager_token.logins.IssueToken(wider)
    async with refused(Code.PERMISSION_DENIED, "makes no token that may more"):
        await manager_token.logins.IssueToken(pb.IssueTokenRequest())
    await mia.logins.RevokeToken(pb.RevokeTokenRequest(token=asked.name))
    await until_known(world)
    async with refused(Code.UNAUTHENTICATED, "was revoked"):
        await script.sessions.List(ListSessionsRequest())
    names = [one.name for one in (await mia.logins.ListTokens(pb.ListTokensRequest())).tokens]
    assert names == ["", "manager"]


async def test_an_admin_whose_token_is_for_reading_is_no_admin_with_it(
    world: World, bearers: Any
) -> None:
    other = (await world.run(Caller("user", "sam"))).name
    boss = bearers((await joined(world, "boss", admin=True)).token)
    asked = pb.IssueTokenRequest(name="reading", scopes=["read"])
    reading = bearers((await boss.logins.IssueToken(asked)).token)

    async with refused(Code.NOT_FOUND):
        await reading.sessions.Get(SessionRef(name=other))
    assert (await boss.sessions.Get(SessionRef(name=other))).name == other


async def test_the_trail_says_who_did_what(world: World) -> None:
    await joined(world)
    await world.floors["identity"].view.see_all()
    care = CareStub(world.channel("identity", ROOT))

    async def found(**asked: Any) -> list[tuple[str, str, str]]:
        replies = care.Trail(TrailRequest(**asked))
        return [(o.actor, o.event, o.about) async for r in replies for o in r.lines]

    assert await found(who="root") == [("user:root", "Registered", "mia")]
    assert await found(who="user:mia") == [("user:mia", "TokenIssued", "mia")]
    assert await found(what="Token*", limit=1) == [("user:mia", "TokenIssued", "mia")]
    assert await found(what="ann") == [("service:identity", "Registered", "ann")]
    assert await found(until_us=1) == []
