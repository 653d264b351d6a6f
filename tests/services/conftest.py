"""A world of services for each test, on servers of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from nsml_core.settings import Settings
from tests.services.world import World


@asynccontextmanager
async def opened_world(
    config: Settings, monkeypatch: pytest.MonkeyPatch, *, placing: bool = False, **more: str
) -> AsyncIterator[World]:
    """The services, except for what runs sessions, and places them if not asked for: tests do."""
    for name, value in {"USER": "ann", "OPENING_CREDIT": "100", **more}.items():
        monkeypatch.setenv(f"NSML_{name}", value)
    found = World(config, placing=placing)
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
