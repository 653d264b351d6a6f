"""Pages that draw: what a session uses, what its ranks print, and sessions as lines across axes."""

import pytest
from playwright.sync_api import expect

from tests.journeys.person import Person
from tests.web.browser import CHROMIUM, Watched

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium on this machine")

RANKS = """
import os, sys, time
print("[rank3]: of the third", flush=True)
print("of nobody else", flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.1)
"""


def test_what_a_session_uses_is_drawn_while_it_runs(ann: Person, ann_looks: Watched) -> None:
    enough = ann.folder / "enough"
    name = ann.starts(RANKS, "-a", str(enough))
    page = ann_looks.page
    ann_looks.goto(f"/sessions/{name}")

    lines = page.locator("[data-log] div")
    expect(lines.filter(has_text="of nobody else")).to_have_count(1)
    page.get_by_role("combobox", name="Rank").select_option("Rank 3")
    expect(lines.filter(has_text="of nobody else")).to_have_count(0)
    expect(lines.filter(has_text="of the third")).to_have_count(1)
    expect(page.locator(".chart", has_text="Memory (MB)").locator("canvas")).to_be_visible()
    enough.touch()
    ann.wait(name, "Exited")
    page.reload()
    expect(page.locator(".chart", has_text="CPU (cores)").locator("canvas")).to_be_visible()
