"""One platform a worker with a session on it, and visitors: with a browser, or without."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.folders import remove
from tests.journeys.conftest import started
from tests.journeys.person import Person
from tests.web.browser import Watched, browser
from tests.web.visitor import Visitor


@pytest.fixture(scope="session")
def machine() -> Iterator[Person]:
    """A platform for all tests of this worker."""
    folder = Path(tempfile.mkdtemp(prefix="nsml-"))
    yield from started(folder)
    remove(folder)


@pytest.fixture
def ann(machine: Person, tmp_path: Path) -> Person:
    """A person on the worker's platform, in an empty folder."""
    return Person(machine.home, tmp_path, machine.environ)


@pytest.fixture
def visitor(ann: Person) -> Iterator[Visitor]:
    """Ann's browser, as far as requests go: logged in."""
    with Visitor(ann.says("open", "-p").strip()) as found:
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture
def ann_looks(ann: Person, chromium: Browser) -> Iterator[Watched]:
    """Ann's browser, logged in; nothing may go wrong on its pages."""
    found = Watched(chromium, ann.says("open", "-p").strip())
    yield found
    found.close()
    assert found.wrong == []


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing of the developer's own platform in."""
    for name in [name for name in os.environ if name.startswith("NSML_")]:
        monkeypatch.delenv(name)
