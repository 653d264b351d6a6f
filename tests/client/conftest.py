"""A platform for the clients, with room for two GPU sessions, and both clients."""

import inspect
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from nsml.client import AsyncClient, Client
from nsml_core.settings import Settings, read
from tests.platform.platforms import Platform, platform


@pytest.fixture(scope="package")
def here() -> Iterator[Platform]:
    with platform(NSML_USER="ann") as found:
        yield found


@pytest.fixture
def settings(here: Platform) -> Settings:
    return read(here.environment)


@pytest.fixture(params=["blocking", "awaited"])
async def client(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[Any]:
    """One client after the other: whatever is asked of it, `told` and `listed` take the answer."""
    if request.param == "blocking":
        with Client(settings) as blocking:
            yield blocking
    else:
        async with AsyncClient(settings) as awaited:
            yield awaited


async def told(answer: Any) -> Any:
    """Return what either client answers."""
    return await answer if inspect.isawaitable(answer) else answer


async def listed(items: Any) -> list[Any]:
    """Return all that an iterator of either client yields."""
    if hasattr(items, "__aiter__"):
        return [item async for item in items]
    return list(items)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of data."""
    with tempfile.TemporaryDirectory(prefix="nsml-") as made:
        data = Path(made) / "data"
        data.mkdir()
        (data / "a.txt").write_text("a")
        yield data
