"""A home of the test's own, of which nothing is left running whatever happens."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local.homes import down, of_home


@pytest.fixture
def folder(short_path: Path) -> Iterator[Path]:
    home = short_path / "home"
    yield home
    down(home)
    assert of_home(home) == []
