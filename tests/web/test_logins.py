"""Coming into the web by name and password, by a provider, by an invitation; and going out."""

import asyncio
import json
from collections.abc import AsyncIterator
from html import unescape
from re import search

import pytest
import requests
from starlette.applications import Starlette

from nsml_core import auth
from nsml_core.settings import Settings
from nsml_protos import identity_pb2 as pb
from tests import provider
from tests.services.conftest import opened_world
from tests.services.world import ANN, ROOT, World, eventually
from tests.web.inside import Inside, serving

CHOSEN = "correct horse battery"


@pytest.fixture
async def world(config: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A platform on which Mia has a password."""
    async with opened_world(config, monkeypatch) as found:
        yield found


@pytest.fixture
async def app(world: World) -> AsyncIterator[Starlette]:
    found = serving(world.settings)
    yield found
    await found.state.web.close()


async def with_password(world: World, name: str = "mia") -> None:
    invited = await world.identity(ROOT).Invite(pb.InviteRequest(name=name))
    chosen = pb.SetPasswordRequest(name=name, secret=invited.invitation, password=CHOSEN)
    await world.logins(None).SetPassword(chosen)


async def enters(browser: Inside, password: str = CHOSEN, to: str = "/datasets") -> str:
    """Type name and password; return where that leads, or what is said."""
    page = await browser.get("/login", to=to)
    form = {"csrf": page.csrf, "name": "mia", "password": password, "to": to}
    answer = await browser.post("/login/password", form)
    found = search(r'role="alert">([^<]+)<', answer.text)
    return answer.to if answer.status == 303 else unescape(found[1] if found else answer.text)


async def test_nobody_is_asked_for_a_password_where_nobody_has_one(app: Starlette) -> None:
    page = await Inside(app).get("/login")

    assert page.status == 200
    assert 'name="password"' not in page.text
    assert 'name="token"' in page.text


async def test_a_password_leads_to_the_page_that_was_wanted(world: World, app: Starlette) -> None:
    await with_password(world)
    browser = Inside(app)
    turned_away = await browser.get("/sessions", q="mnist")

    assert turned_away.to == "/login?to=/sessions%3Fq%3Dmnist"
    assert await enters(browser, to="/sessions?q=mnist") == "/sessions?q=mnist"
    assert (await browser.get("/sessions")).status == 200


async def test_a_login_leads_nowhere_else(world: World, app: Starlette) -> None:
    await with_password(world)

    assert await enters(Inside(app), to="//evil.example") == "/"
    assert await enters(Inside(app), to="https://evil.example") == "/"


async def test_guesses_are_refused_and_slowed_down(world: World, app: Starlette) -> None:
    await with_password(world)
    browser = Inside(app)
    said = [await enters(browser, "wrong guess") for _ in range(7)]

    assert said[0] == "That name and password do not go together here."
    assert said[6].startswith("Too many wrong passwords for mia: try again in")
    assert (await browser.get("/sessions")).to.startswith("/login")


async def test_who_tries_very_often_has_to_wait(app: Starlette) -> None:
    browser = Inside(app)
    csrf = (await browser.get("/login")).csrf
    form = {"csrf": csrf, "token": "guessed"}
    answers = [await browser.post("/login", form) for _ in range(25)]

    assert answers[0].status == 401
    assert answers[-1].status == 429
    assert "Too many tries to log in from where you are" in answers[-1].text


async def test_a_form_of_another_page_lets_nobody_in(app: Starlette) -> None:
    for path in ("/login", "/login/password", "/login/provider", "/invitation"):
        for csrf in ("", "guessed"):
            browser, form = Inside(app), {"csrf": csrf, "name": "mia", "password": CHOSEN}
            unprepared = await browser.post(path, form)
            await browser.get("/login")
            answer = await browser.post(path, form)

            assert (unprepared.status, answer.status) == (403, 403)


async def test_a_login_that_has_ended_says_so_and_goes_on(world: World, app: Starlette) -> None:
    await with_password(world)
    expired = auth.issue(world.secret, ANN, lifetime_seconds=-1)
    browser = Inside(app, expired)
    turned_away = await browser.get("/cluster")
    page = await browser.get(turned_away.to)

    assert turned_away.to == "/login?to=/cluster"
    assert "Your login has ended: log in again, and you go on where you were." in page.text
    assert 'action="/logout"' not in page.text
    assert await enters(browser, to="/cluster") == "/cluster"


async def test_who_logs_out_leaves_no_token_behind(world: World, app: Starlette) -> None:
    await with_password(world)
    browser = Inside(app)
    await enters(browser)
    kept = dict(browser.cookies)
    page = await browser.get("/sessions")

    assert (await browser.post("/logout", {"csrf": page.csrf})).to == "/login"
    browser.cookies = kept

    async def is_out() -> bool:
        return (await browser.get("/account")).to == "/login?to=/account"

    await eventually(is_out)


async def test_a_token_that_came_from_elsewhere_outlives_the_browser(
    world: World, app: Starlette
) -> None:
    await with_password(world)
    reply = await world.logins(None).Login(pb.LoginRequest(name="mia", password=CHOSEN))
    browser = Inside(app, reply.token)
    page = await browser.get("/sessions")
    await browser.post("/logout", {"csrf": page.csrf})

    assert (await browser.web.client(reply.token).whoami()).name == "mia"


async def test_an_invitation_is_a_page(world: World, app: Starlette) -> None:
    invited = await world.identity(ROOT).Invite(pb.InviteRequest(name="mia"))
    browser = Inside(app)
    page = await browser.get("/invitation", name="mia", code=invited.invitation)
    form = {"csrf": page.csrf, "name": "mia", "code": invited.invitation, "password": CHOSEN}
    differs = await browser.post("/invitation", {**form, "again": "another"})
    answer = await browser.post("/invitation", {**form, "again": CHOSEN})

    assert (differs.status, answer.to) == (401, "/")
    assert "type the same one twice" in differs.text
    assert await enters(Inside(app)) == "/datasets"


async def test_a_provider_lets_in_whom_it_knows(
    issuer: str, config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NSML_OIDC_ISSUER", issuer)
    monkeypatch.setenv("NSML_OIDC_CLIENT_ID", provider.CLIENT_ID)
    async with opened_world(config, monkeypatch) as world:
        await world.identity(ROOT).Invite(pb.InviteRequest(name="mia", login="octo"))
        browser = Inside(serving(world.settings))
        page = await browser.get("/login")
        begun = await browser.post("/login/provider", {"csrf": page.csrf, "to": "/datasets"})
        code = search(r"<code>(\w+)</code>", begun.text)
        assert code
        assert f'href="{issuer}/approve"' in begun.text
        form = {name: value(begun.text, name) for name in ("csrf", "to", "begun")}
        script = {"accept": "application/json"}
        early = await browser.post("/login/provider/wait", form, script)
        said_yes = {"code": code[1], "sub": "7", "preferred_username": "octo"}
        requests.post(f"{issuer}/approve", data=said_yes, timeout=10).raise_for_status()
        while (answer := await browser.post("/login/provider/wait", form, script)).status == 202:
            await asyncio.sleep(0.1)  # the provider is asked once a second at most

        assert early.status == 202
        assert json.loads(answer.text) == {"to": "/datasets"}
        assert (await browser.get("/account")).status == 200
        altered = await browser.post("/login/provider/wait", {**form, "begun": "x"}, script)
        assert altered.status == 400
        await browser.web.close()


def value(page: str, name: str) -> str:
    """Return what a hidden field of a page holds."""
    found = search(rf'name="{name}" value="([^"]*)"', page)
    assert found
    return unescape(found[1])
