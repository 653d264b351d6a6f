"""A newcomer's day in a browser: watch it train, fork it, compare the two, submit, and lead."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.person import Person
from tests.journeys.test_competition import DATA, EVALUATION
from tests.web.browser import CHROMIUM, Watched, serious

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium on this machine")

TRAINS = """
import argparse, os, time, nsml
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--until", default="")
given, _ = parser.parse_known_args()  # what the platform adds is read by the SDK

nsml.bind(
    save=lambda folder: open(folder + "/model", "w").write("odd"),
    load=lambda folder: print(open(folder + "/model").read()),
    infer=lambda data: [one % 2 for one in data],
)
nsml.paused(scope=locals())
step = 0
while step < 5 or given.until and not os.path.exists(given.until):
    nsml.report(summary=True, scope=locals(), step=step, loss=given.lr / (step + 1))
    step += 1
    time.sleep(0.1 if given.until else 0)
nsml.save("last")
"""
BOARD = "metric: accuracy\nrate: 9/1h\npublic_share: 0.5\n"


@pytest.fixture
def race(ann: Person) -> str:
    """A dataset with a board."""
    folder = ann.write("race", {**DATA, "evaluation.py": EVALUATION, "board.yml": BOARD})
    ann.says("dataset", "push", "cup", str(folder), "-l", "-e", str(folder / "evaluation.py"))
    ann.says("board", "create", "cup", "-f", str(folder / "board.yml"))
    return "cup"


def test_a_newcomer_trains_forks_compares_and_leads(
    ann: Person, race: str, ann_looks: Watched
) -> None:
    page, enough = ann_looks.page, ann.folder / "enough"
    name = ann.starts(TRAINS, "-d", race, "-a", f"--lr 0.5 --until {enough}")
    ann_looks.goto("/sessions")
    page.get_by_role("link", name=name, exact=True).click()
    chart = page.locator(".chart", has_text="loss")
    expect(chart).to_be_visible()
    before = chart.get_attribute("aria-label")
    expect(chart).not_to_have_attribute("aria-label", before or "")  # it moves
    enough.touch()
    expect(page.locator("#state")).to_contain_text("Exited")

    forked = forks(page)
    page.locator("#actions").get_by_role("link", name="Compare").click()
    table = page.locator("table.across")
    expect(table.get_by_role("row", name=forked).get_by_role("cell").first).to_have_text("0.25")
    expect(table.get_by_role("row", name=name).get_by_role("cell").first).to_have_text("0.5")

    ann_looks.goto(f"/sessions/{forked}")
    submission = submits(page, forked)
    leads(page, race, forked, submission)


def forks(page: Page) -> str:
    """Fork the session with another learning rate; return the fork's name."""
    here = page.locator("h1").inner_text()
    page.get_by_role("link", name="Fork", exact=True).click()
    page.get_by_label("Arguments").fill("--lr 0.25")
    page.get_by_role("button", name="Fork").click()
    expect(page.locator("h1")).not_to_have_text(here)
    expect(page.locator("#state")).to_contain_text("Exited")
    return page.locator("h1").inner_text()


def submits(page: Page, name: str) -> str:
    """Submit its model by the form; return the name of the session that is scored."""
    page.locator("#actions").get_by_role("link", name="Submit").click()
    expect(page.locator(".cli")).to_contain_text(f"nsml submit {name} last")
    page.get_by_label("Rehearse").check()
    expect(page.locator(".cli")).to_contain_text(f"nsml submit {name} last -t")
    page.get_by_label("Rehearse").uncheck()
    serious(page)
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("h1")).not_to_have_text(name)
    expect(page.locator("#state")).to_contain_text("Exited")
    return page.locator("h1").inner_text()


def leads(page: Page, board: str, source: str, submission: str) -> None:
    """Find oneself first on the board, by either share."""
    page.get_by_role("link", name="Boards").click()
    page.get_by_role("link", name=board, exact=True).first.click()
    ranking, mine = page.get_by_role("table").all()
    cells = ranking.get_by_role("row").nth(1).get_by_role("cell")
    expect(cells.nth(0)).to_have_text("1")
    expect(cells.nth(1)).to_have_text("ann")
    expect(cells.nth(2)).to_have_text(re.compile(r"^[01](\.\d+)?$"))
    expect(cells.nth(3)).to_have_text(f"{source} last")
    expect(cells.nth(4)).to_have_text("1")
    expect(cells.nth(5).locator("time")).to_be_visible()
    expect(mine.get_by_role("row").nth(1)).to_contain_text(submission)
    serious(page)
    page.get_by_role("link", name="Private").click()
    expect(page.get_by_role("link", name="Private")).to_have_attribute("aria-current", "page")
    expect(cells.nth(1)).to_have_text("ann")  # who holds the board sees it before it is revealed
