"""A client that asks too much waits for as long as it is told, and goes on."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import grpc
import pytest

from nsml.client import AsyncClient, Client
from nsml_core.caller import Caller
from nsml_core.settings import Settings, read
from nsml_protos import dataset_pb2 as ds
from tests.services.world import ANN, BOB, World

LIMIT = "1/2"
ASKED = 40


@pytest.fixture
async def limited(config: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A dataset service that takes little of one person."""
    monkeypatch.setenv("NSML_USER", "ann")
    chosen = read({"NSML_HOME": str(config.home), "NSML_RATE_LIMIT": LIMIT}).rate_limit
    found = World(replace(config, rate_limit=chosen))
    try:
        await found.start("identity", "dataset")
        yield found
    finally:
        await found.close()


async def uses_up(world: World, caller: Caller) -> None:
    """Ask until it is too much: whoever does not wait is refused."""
    asked = [world.datasets(caller).List(ds.ListDatasetsRequest()) for _ in range(ASKED)]
    replies = await asyncio.gather(*asked, return_exceptions=True)
    refused = [one for one in replies if isinstance(one, grpc.aio.AioRpcError)]
    assert {one.code() for one in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}


async def test_clients_wait_and_go_on(limited: World) -> None:
    await uses_up(limited, ANN)
    with Client(limited.settings, token=limited.token(ANN)) as blocking:
        assert await asyncio.to_thread(blocking.datasets.ls) == []
    await uses_up(limited, BOB)
    async with AsyncClient(limited.settings, token=limited.token(BOB)) as awaited:
        assert await awaited.datasets.ls() == []
