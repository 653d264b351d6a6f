"""A real blob service for each test, on an empty store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.blobs.service import Service


@pytest.fixture
def service(short_path: Path) -> Iterator[Service]:
    """Start a blob service, in a folder whose path is short enough for a socket."""
    started = Service(short_path)
    started.start()
    yield started
    started.stop()


@pytest.fixture(params=[True, False], ids=["folder", "wire"])
def shared(request: pytest.FixtureRequest) -> bool:
    """Tell which of the two transports a test uses; each such test runs with both."""
    return bool(request.param)
