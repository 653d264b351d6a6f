"""A real browser: Debian's Chromium, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium")
_SECONDS = 120
_GRAVE = {"serious", "critical"}

expect.set_options(timeout=_SECONDS * 1000)  # a loaded machine takes its time


@contextmanager
def browser() -> Iterator[Browser]:
    """Run a browser of one's own."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield started
        started.close()


class Watched:
    """A window, and what went wrong in it: scripts that failed, files that were refused."""

    def __init__(self, started: Browser, link: str, **options: Any) -> None:
        self.wrong: list[str] = []
        self._context = started.new_context(**options)
        self._context.set_default_timeout(_SECONDS * 1000)
        self.page = self._context.new_page()
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", self._hear)
        self.page.goto(link)
        self.origin = link.partition("/login")[0]

    def _hear(self, message: Any) -> None:
        # What is killed in a test answers nothing, or that it is away: pages ask again.
        is_away = "net::ERR_" in message.text or "status of 503" in message.text
        if message.type == "error" and not is_away:
            self.wrong.append(message.text)

    def goto(self, path: str) -> None:
        self.page.goto(self.origin + path)

    def close(self) -> None:
        self._context.close()


def serious(page: Page, *rules: str) -> None:
    """Hold a page against axe's rules: all, or those named."""
    options: dict[str, object] = {"resultTypes": ["violations"], "iframes": False}
    found = Axe().run(page, options={**options, **({"runOnly": list(rules)} if rules else {})})
    grave = [rule for rule in found.response["violations"] if rule["impact"] in _GRAVE]
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in grave] == [], page.url
