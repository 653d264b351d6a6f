"""Every page there is: nothing serious for axe, in light and dark; on a phone; no inline script."""

import re
import shlex
from collections.abc import Iterator
from contextlib import suppress

import pytest
from click import BadParameter, Command, Context, Group
from click.exceptions import Exit
from playwright.sync_api import Browser, Page
from starlette.routing import compile_path

from nsml_cli.app import nsml
from nsml_web.rules import RULES
from tests.journeys.person import Person
from tests.web.browser import CHROMIUM, Watched, serious
from tests.web.town import Town, found
from tests.web.visitor import Visitor

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium on this machine"),
    pytest.mark.xdist_group("town"),  # which takes its time to be founded
]

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}
COPIED = "buttons => buttons.map(one => one.dataset.copy)"
MANY = 50
NO_PAGE = re.compile(r"/(healthz|static|search|live|series|axes|usage|log|zip|raw)\b|path:path")
"""What is asked by scripts, kept as a file, or not ours."""


@pytest.fixture(scope="module")
def town(machine: Person, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    made = found(Person(machine.home, folder, machine.environ))
    yield made
    made.enough.touch()
    machine.says("stop", made.waiting)


def overflow(page: Page) -> int:
    """Return by how much a page is wider than its window."""
    script = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    return int(page.evaluate(script))


def test_the_town_has_every_page(town: Town) -> None:
    paths = [address.partition("?")[0] for address in town.pages().values()]
    pages = [rule[4:] for rule in RULES if rule.startswith("GET ") and not NO_PAGE.search(rule)]

    unseen = [page for page in pages if not any(compile_path(page)[0].match(at) for at in paths)]
    assert unseen == ["/"]  # which leads to the sessions


def test_nobody_is_shut_out_of_any_page(town: Town, ann: Person, chromium: Browser) -> None:
    ours = Watched(chromium, ann.says("open", "-p").strip(), viewport=DESK)
    page = ours.page
    for address in town.pages().values():
        ours.goto(address)
        serious(page)
        page.emulate_media(color_scheme="dark")
        serious(page, "color-contrast")  # the rest follows from no colour
        page.emulate_media(color_scheme="light")
    ours.close()
    assert [text for text in ours.wrong if "status of 404" not in text] == []


def test_every_page_fits_a_phone_in_korean(town: Town, ann: Person, chromium: Browser) -> None:
    ours = Watched(chromium, ann.says("open", "-p").strip(), viewport=PHONE, locale="ko-KR")
    for address in town.pages().values():
        ours.goto(address)
        assert overflow(ours.page) == 0, address
        serious(ours.page, "scrollable-region-focusable")  # what is too wide is moved
    ours.close()


def test_no_page_has_a_script_or_a_style_of_its_own(town: Town, visitor: Visitor) -> None:
    for address in town.pages().values():
        answer = visitor.get(address.replace("<", "%3C").replace(" ", "%20"))
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'; style-src 'self'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", answer.text)


def test_each_command_that_a_page_shows_is_one_of_ours(
    town: Town, ann: Person, chromium: Browser
) -> None:
    ours, shown = Watched(chromium, ann.says("open", "-p").strip()), set()
    for address in town.pages().values():
        ours.goto(address)
        shown |= set(ours.page.locator("[data-copy]").evaluate_all(COPIED))
    ours.close()

    typed = [words for words in map(shlex.split, shown) if words[0] == "nsml"]
    assert len(typed) > MANY
    for words in typed:
        _parses(words[1:])


def _parses(words: list[str]) -> None:
    """Read a command as the command line does, and run nothing."""
    at: Command = nsml
    name = "nsml"
    while isinstance(at, Group) and words:
        name, *words = words
        below = at.get_command(Context(at), name)
        assert below, name
        at = below
    with suppress(Exit, BadParameter):  # of --help, and of what is yet to be typed
        at.make_context(name, words)
