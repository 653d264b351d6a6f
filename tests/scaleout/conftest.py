"""Worlds with two of each service."""

from collections.abc import AsyncIterator

import pytest

from nsml_core.settings import Settings
from tests.scaleout.split import Split, apart


@pytest.fixture
async def world(config: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Split]:
    """A world for this test alone, in which people and runners speak to different replicas."""
    monkeypatch.setenv("NSML_USER", "ann")
    monkeypatch.setenv("NSML_OPENING_CREDIT", "100")
    here, other = apart(config)
    other.home.mkdir()
    (other.home / "secret").symlink_to(here.home / "secret")
    found = Split(here, other)
    try:
        await found.start("identity", "dataset", "ledger", "scheduler", "session")
        yield found
    finally:
        await found.close()
