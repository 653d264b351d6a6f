"""A world of services for each test, on servers of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from nsml_core.settings import Settings
from tests.services.world import World


@asynccontextmanager
async def opened_world(config: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """The services, except for what places sessions and runs them: the tests do that."""
    monkeypatch.setenv("NSML_USER", "ann")
    monkeypatch.setenv("NSML_OPENING_CREDIT", "100")
    found = World(config)
    try:
        await found.start("identity", "dataset", "ledger", "scheduler", "session")
        yield found
    finally:
        await found.close()


@pytest.fixture
async def world(config: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A world for this test alone."""
    async with opened_world(config, monkeypatch) as found:
        yield found
