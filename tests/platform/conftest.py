"""One platform for all tests of a worker, with room for two GPU sessions."""

from collections.abc import Iterator

import pytest

from tests.platform.platforms import Platform, platform


@pytest.fixture(scope="session")
def shared() -> Iterator[Platform]:
    with platform() as found:
        yield found


@pytest.fixture
def here(shared: Platform) -> Iterator[Platform]:
    """The worker's platform, on which nothing runs."""
    yield shared
    shared.clear()
