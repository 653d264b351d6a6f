"""Who gets in, and what browsers may be made to do: asked of the real web."""

import json
import re
from collections.abc import Iterator

import pytest

from nsml_core import auth
from nsml_core.caller import Caller
from nsml_core.settings import read
from tests.journeys.person import Person
from tests.web.visitor import Visitor

PAGES = ["/sessions", "/datasets", "/cluster", "/credit", "/account", "/compare", "/search?q="]


def token_of(person: Person, name: str) -> str:
    """Return a token of somebody else on the same platform."""
    secret = auth.make_secret(read({"NSML_HOME": str(person.home)}).secret_file)
    return auth.issue(secret, Caller("user", name))


@pytest.fixture
def stranger(visitor: Visitor) -> Iterator[Visitor]:
    """Another user of the same machine, who reaches the port and has no token."""
    with Visitor(f"{visitor.origin}/login") as found:
        yield found


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_for_those_who_have_logged_in(
    page: str, visitor: Visitor, stranger: Visitor
) -> None:
    assert visitor.get(page).status == 200
    assert stranger.get(page).to.startswith("/login?to=")


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(visitor: Visitor) -> None:
    cookie = visitor.entered.headers["set-cookie"].lower()

    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_a_used_link_is_refused(ann: Person) -> None:
    link = ann.says("open", "-p").strip()
    with Visitor(link) as first, Visitor(link) as second:
        assert first.entered.status == 303
        assert second.entered.status == 401
        assert second.get("/sessions").to.startswith("/login")


def test_a_token_may_be_pasted(ann: Person, stranger: Visitor) -> None:
    form = {"csrf": stranger.csrf("/login"), "to": "/datasets"}
    good = stranger.post("/login", {**form, "token": token_of(ann, "ann")})
    bad = stranger.post("/login", {**form, "token": "guessed"})

    assert (good.status, good.to) == (303, "/datasets")
    assert bad.status == 401
    assert "door=" in bad.headers["set-cookie"]  # of the form, and of no login


def test_an_altered_cookie_is_nobodys(visitor: Visitor) -> None:
    visitor.cookie = visitor.cookie[:-4] + "AAAA"

    assert visitor.get("/sessions").to.startswith("/login")


def test_another_name_for_the_same_address_is_refused(visitor: Visitor) -> None:
    answer = visitor.get("/sessions", {"host": "evil.example"})

    assert answer.status == 421
    assert "ann" not in answer.text


@pytest.mark.parametrize(
    ("form", "headers", "status"),
    [
        ({}, {}, 403),
        ({"csrf": "guessed"}, {}, 403),
        ({"csrf": "CSRF"}, {"origin": "http://evil.example"}, 403),
        ({"csrf": "CSRF"}, {"origin": "null"}, 403),
        ({"csrf": "CSRF", "memo": "x" * (1 << 20)}, {}, 413),
    ],
)
def test_forms_of_others_change_nothing(
    form: dict[str, str], headers: dict[str, str], status: int, visitor: Visitor
) -> None:
    csrf = visitor.csrf()
    sent = {name: csrf if value == "CSRF" else value for name, value in form.items()}

    assert visitor.post("/logout", sent, headers).status == status
    assert visitor.get("/sessions").status == 200


def test_logging_out_needs_the_form_of_this_login(visitor: Visitor) -> None:
    answer = visitor.post("/logout", {"csrf": visitor.csrf()})

    assert answer.to == "/login"
    assert "max-age=0" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize("page", [*PAGES, "/nowhere", "/sessions/ann/none/1"])
def test_every_answer_forbids_what_is_not_a_file_of_ours(page: str, visitor: Visitor) -> None:
    answer = visitor.get(page)
    policy = answer.headers["content-security-policy"]

    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=", answer.text)


def test_what_is_not_there_says_what_to_do(visitor: Visitor) -> None:
    assert visitor.get("/nowhere").status == 404
    told = visitor.get("/sessions/ann/none/1", {"accept": "application/json"})
    assert told.status == 404
    assert json.loads(told.text)["error"]


def test_the_first_page_is_light(visitor: Visitor) -> None:
    zipped = {"accept-encoding": "gzip"}
    page = visitor.get("/sessions", zipped)
    files = re.findall(r'(?:src|href)="(/static/[^"]+)"', visitor.get("/sessions").text)
    total = len(page.body) + sum(len(visitor.get(path, zipped).body) for path in set(files))

    assert total < 150_000
    assert page.headers["content-encoding"] == "gzip"
