"""One platform with a session on it, and visitors: with a browser, or without."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.sync_api import Browser
from starlette.applications import Starlette

from nsml_core.settings import Settings
from tests.journeys.conftest import ann, machine
from tests.journeys.person import Person
from tests.services.test_access import Team, opened_team
from tests.web.browser import Watched, browser
from tests.web.inside import serving
from tests.web.visitor import Visitor

__all__ = ["ann", "machine"]


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


@pytest.fixture
async def team(config: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Team]:
    """Services with people and a team, in the test's own event loop."""
    async with opened_team(config, monkeypatch) as world:
        yield world


@pytest.fixture
async def app(team: Team) -> AsyncIterator[Starlette]:
    """The web over them."""
    found = serving(team.settings)
    yield found
    await found.state.web.close()


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing of the developer's own platform in."""
    for name in [name for name in os.environ if name.startswith("NSML_")]:
        monkeypatch.delenv(name)
