"""The pictures in docs: taken anew from a town of its own by `python -m tests.web.pictures`.

It takes Chromium and a font with Korean letters. Look at each before you keep it.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser

from tests.folders import remove
from tests.journeys.conftest import started
from tests.journeys.person import Person
from tests.web.browser import Watched, browser
from tests.web.town import Town, found

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
BYTES_MAX = 200_000
_SAVED = "CheckpointSaved"
DESK = {"viewport": {"width": 1280, "height": 800}}
DARK = {**DESK, "color_scheme": "dark", "locale": "ko-KR"}
PHONE = {"viewport": {"width": 390, "height": 844}, "locale": "ko-KR"}


class Picture(NamedTuple):
    """Of which page of the town it is, what of it, and for whom."""

    page: str
    part: str = ""
    options: dict[str, Any] = DESK
    settled_ms: int = 2_500


PICTURES = {
    "sessions": Picture("sessions"),
    "session": Picture("session running"),
    "usage": Picture("session running", ".used"),
    "past": Picture("session past"),
    "compare": Picture("compare"),
    "parallel": Picture("compare", "[data-parallel]"),
    "tensorboard": Picture("tensorboard itself", settled_ms=20_000),
    "dataset": Picture("dataset picture"),
    "board": Picture("board"),
    "cluster": Picture("cluster"),
    "credit": Picture("credit"),
    "login": Picture("login"),
    "account": Picture("account"),
    "tokens": Picture("tokens"),
    "storage": Picture("storage"),
    "admin": Picture("admin people"),
    "dark": Picture("session running", options=DARK),
    "phone": Picture("session", options=PHONE),
}


def main() -> int:
    """Take them all, or those named."""
    with _town() as (ann, town), browser() as chromium:
        for name in sys.argv[1:] or PICTURES:
            _take(chromium, ann, town, name)
        town.enough.touch()
    return 0


@contextmanager
def _town() -> Iterator[tuple[Person, Town]]:
    folder = Path(tempfile.mkdtemp(prefix="nsml-"))
    for ann in started(folder):
        yield ann, found(ann)
    remove(folder)


def _take(chromium: Browser, ann: Person, town: Town, name: str) -> None:
    wanted, link = PICTURES[name], ann.says("open", "-p").strip()
    origin = link.partition("/login")[0]
    ours = Watched(chromium, f"{origin}/login" if name == "login" else link, **wanted.options)
    page, file = ours.page, FOLDER / f"{name}.png"
    ours.goto(_address(ann, town, wanted.page))
    page.wait_for_timeout(wanted.settled_ms)
    if wanted.part:
        part = page.locator(wanted.part)
        part.scroll_into_view_if_needed()
        page.wait_for_timeout(wanted.settled_ms)
        part.screenshot(path=file)
    else:
        page.screenshot(path=file)
    ours.close()
    sys.stdout.write(f"{name} {file.stat().st_size}\n")
    assert file.stat().st_size < BYTES_MAX, file


def _address(ann: Person, town: Town, page: str) -> str:
    if page == "tensorboard itself":
        return f"/sessions/{town.first}/tensorboard/"
    if page == "session past":
        saved = [one for one in ann.json("history", town.first) if one["event"] == _SAVED]
        return f"/sessions/{town.first}?at={saved[0]['sequence']}"
    return town.pages()[page]


if __name__ == "__main__":
    sys.exit(main())
