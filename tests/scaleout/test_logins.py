"""A login by the provider is begun at one replica and ended at another, by whoever is asked."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
import requests

from nsml_core.caller import NOBODY
from nsml_core.settings import Settings
from nsml_protos import identity_pb2 as pb
from nsml_protos.identity_pb2_grpc import LoginsStub
from tests import provider
from tests.scaleout.split import Split, apart
from tests.services.world import World, refused


@pytest.fixture
async def two(
    config: Settings, monkeypatch: pytest.MonkeyPatch, issuer: str
) -> AsyncIterator[Split]:
    """Two replicas of the identity service alone."""
    monkeypatch.setenv("NSML_USER", "ann")
    monkeypatch.setenv("NSML_OIDC_ISSUER", issuer)
    monkeypatch.setenv("NSML_OIDC_CLIENT_ID", provider.CLIENT_ID)
    monkeypatch.setenv("NSML_OIDC_JOIN", "yes")
    here, other = apart(config)
    other.home.mkdir()
    (other.home / "secret").symlink_to(here.home / "secret")
    found = Split(here, other)
    try:
        await found.start("identity")
        yield found
    finally:
        await found.close()


async def test_what_one_began_the_other_ends_once(two: Split) -> None:
    first = LoginsStub(World.channel(two, "identity", NOBODY))
    other = LoginsStub(two.people.channel("identity", NOBODY))
    begun = await first.BeginLogin(pb.BeginLoginRequest())
    said = {"code": begun.code, "sub": "7", "preferred_username": "mia"}
    await asyncio.to_thread(requests.post, begun.url, data=said, timeout=10)
    asked = pb.EndLoginRequest(handle=begun.handle)
    replies = await asyncio.gather(
        first.EndLogin(asked), other.EndLogin(asked), return_exceptions=True
    )

    names = [one.name for one in replies if isinstance(one, pb.LoginReply) and one.token]
    assert names == ["mia"]
    for stub in (first, other):
        async with refused(grpc.StatusCode.FAILED_PRECONDITION, "has expired"):
            await stub.EndLogin(asked)
