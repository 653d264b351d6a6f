"""What a person does in a browser about who they are: log in, and make a token."""

import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.person import Person
from tests.web.browser import CHROMIUM, Watched, serious

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium on this machine")

CHOSEN = "correct horse battery"


def test_who_is_invited_chooses_a_password_and_comes_back(ann: Person, chromium: Browser) -> None:
    invitation = ann.says("user", "add", "mia").split()[-1]
    origin = ann.says("open", "-p").partition("/login")[0]
    found = Watched(chromium, f"{origin}/invitation?name=mia&code={invitation}")
    found.origin, page = origin, found.page
    serious(page)
    page.get_by_label("Password, of at least").fill(CHOSEN)
    page.get_by_label("The same once more").fill(CHOSEN)
    page.get_by_role("button", name="Choose it, and log in").click()
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Log out").click()

    found.goto("/cluster")
    serious(page)
    page.get_by_label("Name").fill("mia")
    page.get_by_label("Password").fill(CHOSEN)
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.locator("h1")).to_have_text("Cluster")
    expect(page.locator(".menu summary")).to_have_text("mia")
    found.close()
    assert found.wrong == []


def test_a_token_is_made_by_clicks_and_says_its_command(ann: Person, chromium: Browser) -> None:
    found = Watched(chromium, ann.says("open", "-p").strip())
    page = found.page
    found.goto("/account/tokens")
    form = page.locator("form.card")
    form.get_by_label("Name").fill("nightly")
    form.get_by_label("Days").fill("30")
    form.get_by_label("read").check()
    expect(form.locator(".cli code")).to_have_text(
        "nsml token create nightly --days 30 --scope read"
    )
    form.get_by_role("button", name="Make it").click()
    token = page.locator("code.token").inner_text()
    serious(page)

    assert ann.nsml("whoami", NSML_TOKEN=token).stdout.strip() == "ann"
    assert ann.nsml("token", "create", "more", NSML_TOKEN=token).returncode != 0
    page.get_by_role("row", name="nightly").get_by_role("button", name="Revoke", exact=True).click()
    expect(page.get_by_role("row", name="nightly")).to_have_count(0)
    while ann.nsml("whoami", NSML_TOKEN=token).returncode == 0:
        pass  # every service hears of it within about a second
    found.close()
    assert found.wrong == []
