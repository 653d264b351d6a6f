"""Logging in by a provider: a real one on loopback, and what it may say of whom."""

from collections.abc import AsyncIterator

import grpc
import pytest
import requests

from nsml_core.caller import NOBODY
from nsml_core.settings import Settings
from nsml_protos import identity_pb2 as pb
from tests import provider
from tests.services.conftest import opened_world
from tests.services.world import ROOT, World, refused

Code = grpc.StatusCode


@pytest.fixture
async def vouched(
    config: Settings, monkeypatch: pytest.MonkeyPatch, issuer: str
) -> AsyncIterator[World]:
    monkeypatch.setenv("NSML_OIDC_ISSUER", issuer)
    monkeypatch.setenv("NSML_OIDC_CLIENT_ID", provider.CLIENT_ID)
    monkeypatch.setenv("NSML_LOGIN_HOURS", "2")
    async with opened_world(config, monkeypatch) as world:
        yield world


async def by_provider(world: World, issuer: str, **claims: str) -> pb.LoginReply:
    """Log in, and approve it as somebody does in a browser."""
    nobody = world.logins(NOBODY)
    begun = await nobody.BeginLogin(pb.BeginLoginRequest())
    assert begun.url == f"{issuer}/approve"
    requests.post(begun.url, data={"code": begun.code, **claims}, timeout=10).raise_for_status()
    reply: pb.LoginReply = await nobody.EndLogin(pb.EndLoginRequest(handle=begun.handle))
    return reply


async def test_nobody_is_in_before_they_have_said_yes(vouched: World, issuer: str) -> None:
    nobody = vouched.logins(NOBODY)
    ways = await nobody.LoginWays(pb.LoginWaysRequest())
    begun = await nobody.BeginLogin(pb.BeginLoginRequest())
    waiting = await nobody.EndLogin(pb.EndLoginRequest(handle=begun.handle))

    assert (ways.provider, ways.hours, waiting.token) == (issuer, 2, "")
    async with refused(Code.PERMISSION_DENIED, "said no"):
        await by_provider(vouched, issuer)
    async with refused(Code.FAILED_PRECONDITION, "has expired"):
        await nobody.EndLogin(pb.EndLoginRequest(handle="another"))


async def test_whom_an_admin_expects_is_known_by_their_subject_from_then_on(
    vouched: World, issuer: str
) -> None:
    async with refused(Code.PERMISSION_DENIED, "ask an admin for `nsml user add NAME --login"):
        await by_provider(vouched, issuer, sub="7", preferred_username="octo-mia")
    await vouched.identity(ROOT).Invite(pb.InviteRequest(name="mia", login="octo-mia"))

    first = await by_provider(vouched, issuer, sub="7", preferred_username="octo-mia")
    renamed = await by_provider(vouched, issuer, sub="7", preferred_username="other")

    assert (first.name, renamed.name) == ("mia", "mia")
    assert first.about.expires.seconds - first.about.issued.seconds == 2 * 3600
    async with refused(Code.PERMISSION_DENIED, "ask an admin"):
        await by_provider(vouched, issuer, sub="8", preferred_username="octo-mia")


async def test_who_joins_takes_no_name_that_somebody_has(
    config: Settings, monkeypatch: pytest.MonkeyPatch, issuer: str
) -> None:
    monkeypatch.setenv("NSML_OIDC_ISSUER", issuer)
    monkeypatch.setenv("NSML_OIDC_CLIENT_ID", provider.CLIENT_ID)
    monkeypatch.setenv("NSML_OIDC_JOIN", "yes")
    async with opened_world(config, monkeypatch) as world:
        reply = await by_provider(world, issuer, sub="9", preferred_username="ann")
        again = await by_provider(world, issuer, sub="9", preferred_username="ann")

    assert (reply.name, again.name) == ("ann-2", "ann-2")


@pytest.mark.parametrize(
    "claims", [{"aud": "another"}, {"iss": "http://127.0.0.1:1"}, {"exp": "1000"}]
)
async def test_a_statement_about_something_else_is_no_login(
    vouched: World, issuer: str, claims: dict[str, str]
) -> None:
    await vouched.identity(ROOT).Invite(pb.InviteRequest(name="mia", login="mia"))
    async with refused(Code.FAILED_PRECONDITION, "words that do not hold"):
        await by_provider(vouched, issuer, sub="7", preferred_username="mia", **claims)
