"""Pages that draw: what a session uses, what its ranks print, and sessions as lines across axes."""

import pytest
from playwright.sync_api import Page, expect

from nsml_client.client import Client
from nsml_core import settings
from tests.journeys.person import Person
from tests.web.browser import CHROMIUM, Watched, serious

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium on this machine")

RANKS = """
import os, sys, time
print("[rank3]: of the third", flush=True)
print("of nobody else", flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.1)
"""

REPORTS = """
import sys, nsml
for step in range(3):
    nsml.report(step=step, loss=float(sys.argv[2]) * (3 - step), size=2)
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
    drawn(page, "Memory (MB)")
    enough.touch()
    ann.wait(name, "Exited")
    page.reload()
    drawn(page, "CPU (cores)")


def drawn(page: Page, name: str) -> None:
    """Scroll to a chart, and wait until it is drawn."""
    chart = page.locator(".chart", has_text=name)
    chart.scroll_into_view_if_needed()
    expect(chart.locator("canvas")).to_be_visible()


def test_of_many_the_first_of_the_order_are_drawn(ann: Person, ann_looks: Watched) -> None:
    first = ann.starts(REPORTS, "-a", "--lr 20", "--tag", "many")
    ann.wait(first, "Exited")
    with Client(settings.read(ann.environ)) as client:
        swept = [client.sessions.named(first).fork(args=f"--lr {rate}.5") for rate in range(1, 21)]
        last = swept[-1].wait().name
    page = ann_looks.page
    ann_looks.goto("/compare?tag=many&order=greatest:--lr")

    rows = page.locator("table.across tbody tr")
    expect(rows).to_have_count(21)
    expect(rows.first).to_contain_text(last)
    expect(page.locator(".across .dot:not(.plain)")).to_have_count(10)
    page.get_by_label("--lr: to").fill("1.5")
    expect(page.locator("[data-pages] span")).to_have_text("1\u20131 / 1")
    expect(rows).to_contain_text(["1.5"])
    page.get_by_role("combobox", name="Lines").select_option("all")
    assert "lines=all" in page.url
    drawn(page, "loss")
    serious(page)


def test_sessions_are_lines_across_axes_and_chosen_by_them(ann: Person, ann_looks: Watched) -> None:
    names = [ann.starts(REPORTS, "-a", f"--lr {rate}") for rate in ("0.5", "2")]
    for name in names:
        ann.wait(name, "Exited")
    page = ann_looks.page
    ann_looks.goto(f"/compare?s={names[0]}&s={names[1]}")

    table = page.locator("table.across")
    rows = [table.get_by_role("row", name=name) for name in names]
    expect(rows[0].get_by_role("cell")).to_have_text(["0.5", "0.5", "2"])
    page.get_by_label("Of each metric").select_option("the greatest")
    expect(rows[1].get_by_role("cell")).to_have_text(["2", "6", "2"])
    page.get_by_label("loss: from").fill("2")
    lines = page.locator("[data-lines] .line")
    expect(lines.nth(0)).to_have_class("line c0 left-out")
    expect(lines.nth(1)).to_have_class("line c1")
    expect(rows[0]).to_have_class("left-out")
    rows[1].get_by_role("link").focus()
    expect(lines.nth(1)).to_have_class("line c1 lit")
    serious(page)
    page.locator(".handle").nth(1).scroll_into_view_if_needed()
    axis = page.locator(".handle").nth(1).bounding_box()
    assert axis
    page.mouse.move(axis["x"] + 5, axis["y"] + axis["height"] - 1)
    page.mouse.down()
    page.mouse.move(axis["x"] + 5, axis["y"] + axis["height"] / 2)
    page.mouse.up()
    expect(lines.nth(0)).to_have_class("line c0")
    expect(lines.nth(1)).to_have_class("line c1 left-out")
