"""What a person does in a browser, from the first look to a comparison; all by clicks and keys."""

import os
import re
import signal

import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.person import Person
from tests.web.browser import CHROMIUM, Watched

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium on this machine")

TRAINS = """
import argparse, os, time, nsml
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--until", default="")
given = parser.parse_args()
nsml.bind(save=lambda folder: open(folder + "/model", "w").write(str(given.lr)), strict=True)
print("<img src=x onerror=alert(1)> \\x1b[31mred\\x1b[0m \\u202eturned", flush=True)
step = 0
while step < 10 or given.until and not os.path.exists(given.until):
    nsml.report(summary=True, scope=globals(), step=step, **{
        "train/loss": given.lr / (step + 1), "<b>hostile</b>": 1,
    })
    print("step", step, flush=True)
    step += 1
    time.sleep(0.1 if given.until else 0)
nsml.save("last")
print("done after", step)
"""


@pytest.fixture(scope="module")
def trained(machine: Person, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A session of Ann's that has ended."""
    ann = Person(machine.home, tmp_path_factory.mktemp("trained"), machine.environ)
    ann.push("browsed", {"t.csv": "a,b\n1,2\n", "x/<i>name</i>.txt": "some text"})
    name = ann.starts(TRAINS, "-d", "browsed", "-a", "--lr 0.1", "-m", "first", "--tag", "shown")
    ann.wait(name, "Exited")
    return name


def test_a_newcomer_looks_forks_and_compares(trained: str, ann_looks: Watched) -> None:
    page = ann_looks.page
    page.get_by_role("link", name=trained, exact=True).click()
    expect(page.locator("[data-log]")).to_contain_text("done after 10")
    expect(page.locator(".chart", has_text="loss").locator("canvas")).to_be_visible()

    page.get_by_role("link", name="Fork", exact=True).click()
    page.get_by_label("Arguments").fill("--lr 0.2")
    expect(page.locator(".cli")).to_contain_text(f"nsml fork {trained} -a '--lr 0.2'")
    page.get_by_role("button", name="Fork").click()

    expect(page.locator("h1")).not_to_have_text(trained)
    forked = page.locator("h1").inner_text()
    expect(page.locator("#state")).to_contain_text("Exited")
    page.locator("#actions").get_by_role("link", name="Compare").click()
    row = page.get_by_role("row", name="--lr")
    expect(row.get_by_role("cell")).to_have_text(["0.2", "0.1"])
    expect(page.locator(".chart", has_text="loss")).to_have_attribute(
        "aria-label", re.compile(f"{forked} · train/loss.*{trained} · train/loss")
    )


def test_what_user_code_prints_does_nothing_but_stand_there(
    trained: str, ann_looks: Watched
) -> None:
    ann_looks.page.on("dialog", lambda dialog: ann_looks.wrong.append(dialog.message))
    ann_looks.goto(f"/sessions/{trained}")

    log = ann_looks.page.locator("[data-log]")
    expect(log).to_contain_text("<img src=x onerror=alert(1)> red \\u202eturned")
    expect(ann_looks.page.locator("figcaption", has_text="<b>hostile<")).to_have_count(0)
    expect(ann_looks.page.locator("figcaption", has_text="b>")).to_be_visible()
    ann_looks.goto("/datasets/browsed?path=x/<i>name</i>.txt")
    expect(ann_looks.page.locator("pre")).to_have_text("some text")
    expect(ann_looks.page.locator("main i")).to_have_count(0)


def test_a_running_session_is_followed_asked_and_stopped(ann: Person, ann_looks: Watched) -> None:
    name = ann.starts(TRAINS, "-a", f"--lr 0.5 --until {ann.folder / 'enough'}")
    page = ann_looks.page
    ann_looks.goto(f"/sessions/{name}")
    chart = page.locator(".chart", has_text="loss")
    expect(page.locator("[data-log]")).to_contain_text("step 3step 4")
    before = chart.get_attribute("aria-label")
    expect(chart).not_to_have_attribute("aria-label", before or "")

    page.get_by_role("link", name="Terminal").click()
    page.get_by_label("Code", exact=True).fill("given.lr * 10")
    page.get_by_role("button", name="Evaluate").click()
    expect(page.locator("pre")).to_have_text("5.0")

    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator("#state")).to_contain_text("Stopped")


def test_the_web_is_killed_while_a_page_is_open(ann: Person, ann_looks: Watched) -> None:
    enough = ann.folder / "enough"
    name = ann.starts(TRAINS, "-a", f"--lr 0.5 --until {enough}")
    page = ann_looks.page
    ann_looks.goto(f"/sessions/{name}")
    lines = page.locator("[data-log]")
    expect(lines).to_contain_text("step 5step 6")

    os.kill(part(ann, "web"), signal.SIGKILL)
    expect(page.locator("[data-link]")).to_have_text("reconnecting …")
    expect(page.locator("[data-link]")).to_have_text("live")
    os.kill(part(ann, "session"), signal.SIGKILL)
    enough.touch()

    expect(lines).to_contain_text("done after")
    ann.wait(name, "Exited")
    printed = [line for line in ann.says("logs", name, "--stdout").splitlines() if "step" in line]
    shown = [line for line in lines.locator("div").all_text_contents() if "step" in line]
    assert shown == printed


def part(person: Person, name: str) -> int:
    """Return the process of a part of the platform."""
    parts = person.json("status")["parts"]
    return next(int(found["pid"]) for found in parts if found["name"] == name)


def test_a_page_as_it_was(trained: str, ann: Person, ann_looks: Watched) -> None:
    first = ann.json("history", trained)[0]["event"]
    page = ann_looks.page
    ann_looks.goto(f"/sessions/{trained}/history")
    page.locator(".history a").first.click()

    expect(page.locator("#state")).to_contain_text("Queued")
    expect(page.locator("output")).to_have_text(first if isinstance(first, str) else "Requested")
    page.get_by_role("link", name="Back to now").click()
    expect(page.locator("#state")).to_contain_text("Exited")


def test_search_by_keyboard(trained: str, ann_looks: Watched) -> None:
    page = ann_looks.page
    ann_looks.goto("/datasets")
    page.keyboard.press("/")
    page.get_by_role("combobox").fill(trained)
    expect(page.get_by_role("option", selected=True)).to_contain_text(trained)
    page.keyboard.press("Enter")

    expect(page.locator("h1")).to_have_text(trained)


def test_in_korean_in_the_dark_on_a_phone(trained: str, ann: Person, chromium: Browser) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "locale": "ko-KR", "color_scheme": "dark"}
    found = Watched(chromium, ann.says("open", trained, "-p").strip(), **phone)
    page = found.page

    expect(page.get_by_role("link", name="포크")).to_be_visible()
    expect(page.locator("#state")).to_contain_text("완료")
    found.close()
    assert found.wrong == []
