"""One platform for all tests of this folder, with room for two GPU sessions."""

from collections.abc import Iterator

import pytest

from tests.platform.platforms import Platform, platform


@pytest.fixture(scope="session")  # not of a package: its name is a module's of the library
def shared() -> Iterator[Platform]:
    with platform() as found:
        yield found


@pytest.fixture
def here(shared: Platform) -> Iterator[Platform]:
    """The folder's platform, on which nothing runs."""
    yield shared
    shared.clear()
