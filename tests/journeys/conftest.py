"""One platform, with two declared GPUs, and a person for each test."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.folders import remove
from tests.journeys.person import Person, environment


def started(folder: Path, **settings: str) -> Iterator[Person]:
    """Start a platform in a folder by hand, and leave nothing of it."""
    home = folder / "home"
    known = {"NSML_USER": "ann", "NSML_GPUS": "2", "NSML_CPUS": "8", **settings}
    person = Person(home, folder, environment(home, **known))
    person.says("up")
    yield person
    person.says("down")


@pytest.fixture(scope="package")
def machine() -> Iterator[Person]:
    """A platform for all tests of a folder; its path is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="nsml-"))
    yield from started(folder)
    remove(folder)


@pytest.fixture
def ann(machine: Person, tmp_path: Path) -> Person:
    """A person on the folder's platform, in an empty folder."""
    return Person(machine.home, tmp_path, machine.environ)


@pytest.fixture
def alone() -> Iterator[Person]:
    """A person on a platform that nobody else uses: it may be harmed."""
    folder = Path(tempfile.mkdtemp(prefix="nsml-"))
    yield from started(folder)
    remove(folder)
