"""Every address of the web as each kind of person: answered, denied, or not there, by the table."""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from nsml_core import auth
from nsml_core.authority import READ, SCOPES
from nsml_protos import session_pb2 as pb
from nsml_protos.options_pb2 import Need
from nsml_web.rules import LOGIN, OPEN, RULES, described, names
from tests.services.acting import CREW, MIA, SAM
from tests.services.kinds import (
    ANSWERED,
    DENIED,
    EXAMPLES,
    HIDES,
    HOMES,
    MISSING,
    PEOPLE,
    SAYS_WHOSE,
    SCOPED,
    TABLE,
    UNKNOWN,
    access,
)
from tests.services.test_access import Team
from tests.services.world import ANN, ROOT, World, eventually
from tests.web.inside import Answer, Inside

ASKED = {address: rpc for address, rpc in RULES.items() if rpc in HOMES and access(rpc)[1]}
"""Those for who has logged in."""

OWN = {"POST /login/link"}
"""It takes a token, and no cookie: tests/web/test_access.py asks it."""

MAKES_OWN = {
    "Sessions/Fork": TABLE[Need.SEE],
    "Boards/Cheer": TABLE[Need.SEE],
    "Sessions/Submit": (MISSING, ANSWERED, ANSWERED, ANSWERED, MISSING),
}
"""What they make is the person's own here: of what it is made of they need to see, no more.

A submission reads the data as who makes it, and what is private an admin reads with a role only.
"""

ACTS = {"Sessions/Fork", "Sessions/Submit"}
"""What they make is a team's where the form says so, and then the table counts as it stands."""

_SESSION = "/sessions/{owner}/{dataset}/{number:int}"
_OUTCOMES = {404: MISSING, 403: DENIED, 401: UNKNOWN, 500: "failed"}


async def test_every_address_says_what_it_asks(app: Starlette) -> None:
    served = [one for one in app.routes if isinstance(one, Route)]
    found = set().union(*(names(one) for one in served))

    assert found == set(RULES)
    assert list(described([Route("/new", served[0].endpoint)])) == []
    assert set(RULES.values()) <= {OPEN, LOGIN, *HOMES}


@dataclass(frozen=True)
class Try:
    """Somebody who asks, and what they are to get."""

    who: str
    token: str
    expected: str
    acts: str = ""
    """The team for which the form is sent."""


def tries(rpc: str, secret: bytes) -> Iterator[Try]:
    """Those first who are refused: they leave what is asked about alone."""
    found = [*_people(rpc, secret), *_others(secret)]
    yield from sorted(found, key=lambda one: one.expected == ANSWERED)


def _people(rpc: str, secret: bytes) -> Iterator[Try]:
    need = access(rpc)[1]
    row = MAKES_OWN.get(rpc, TABLE[need])
    for (who, caller), expected in zip(PEOPLE.items(), row, strict=True):
        found = ANSWERED if rpc in HIDES and expected == MISSING else expected
        found = DENIED if rpc in SAYS_WHOSE and found == MISSING else found
        yield Try(who, auth.issue(secret, caller), found)
    for (who, caller), expected in zip(PEOPLE.items(), TABLE[need], strict=True):
        if rpc in ACTS:
            yield Try(f"{who} for the team", auth.issue(secret, caller), expected, CREW)
    for scope in SCOPES:
        # A page shows this and that beside what it is about: without `read` there is none.
        scopes = frozenset({scope, READ})
        caller = replace(ROOT if need == Need.ADMIN else ANN, scopes=scopes)
        found = ANSWERED if scopes & SCOPED[need] else DENIED
        yield Try(f"only {scope}", auth.issue(secret, caller), found)


def _others(secret: bytes) -> Iterator[Try]:
    yield Try("nobody", "", UNKNOWN)
    yield Try("expired", auth.issue(secret, ANN, lifetime_seconds=-1), UNKNOWN)
    yield Try("forged", auth.issue(bytes(32), ROOT), UNKNOWN)


async def _stored(world: World, number: int) -> pb.SessionRef:
    """A session whose code and model lie in the store."""
    with tempfile.TemporaryDirectory() as folder:
        tree = await world.stored(Path(folder) / "data", f"content {number}")
    ref = await world.started((await world.run(code_tree=tree)).name)
    saved = pb.SaveCheckpointRequest(ref=ref, checkpoint=pb.Checkpoint(name="5", tree=tree))
    await world.attempts(ref.name).SaveCheckpoint(saved)
    return pb.SessionRef(name=ref.name)


_STORED = {f"GET {_SESSION}/{tab}" for tab in ("code", "raw", "models/zip", "models/remove")}
_QUERIES: Mapping[str, str] = {
    f"GET {_SESSION}/raw": "of=code&path=file",
    f"GET {_SESSION}/models/zip": "name=5",
    "GET /datasets/{name}/raw": "path=file",
    "GET /credit": f"owner={CREW}",
    "GET /account": f"owner={CREW}",
    "GET /account/storage": f"owner={CREW}",
    f"GET {_SESSION}/models/remove": "name=5",
}


async def _asked(world: World, address: str, number: int) -> Any:
    """Make ready what is asked about, as the test of its RPC does."""
    example = EXAMPLES[RULES[address]]
    prepare: Callable[[World, int], Awaitable[Any]] = example.prepare
    return await (_stored if address in _STORED else prepare)(world, number)


def _path(address: str, asked: Any) -> str:
    fields = {one.name: getattr(asked, one.name) for one in asked.DESCRIPTOR.fields}
    session = str(fields.get("session") or fields.get("name") or "".join(fields.get("names", [])))
    path = address.partition(" ")[2].replace(_SESSION, f"/sessions/{session}")
    path = path.replace("{path:path}", "")  # the first page of what is passed on
    for name, value in fields.items():
        path = path.replace(f"{{{name}}}", str(value))
    query = _QUERIES.get(address, f"s={session}" if path.startswith("/compare") else "")
    return f"{path}?{query}" if query else path


def _form(asked: Any) -> dict[str, str]:
    """Return what is asked, as a form has it: its fields have the names of the RPC's."""
    fields = [(one.name, value) for one, value in asked.ListFields()]
    return {name: str(value[0] if hasattr(value, "append") else value) for name, value in fields}


async def outcome(app: Starlette, address: str, asked: Any, one: Try) -> tuple[str, Answer]:
    """Make a request as somebody, and say what came of it."""
    browser = Inside(app, one.token)
    if address.startswith("GET"):
        answer = await browser.get(_path(address, asked))
    else:
        login = browser.web.cookies.read_among(browser.cookies)
        form = {**_form(asked), "csrf": login.csrf if login else "none", "as": one.acts}
        answer = await browser.post(_path(address, asked), form)
    if answer.to.startswith("/login"):
        return UNKNOWN, answer
    return _OUTCOMES.get(answer.status, ANSWERED), answer


@pytest.mark.parametrize("place", sorted({path.split("/")[1] for path in ASKED} - {"login"}))
async def test_each_kind_of_person_gets_what_the_table_says(
    place: str, team: Team, app: Starlette
) -> None:
    wrong: list[str] = []
    for number, address in enumerate(sorted(ASKED), 1):
        if address not in OWN and address.split("/")[1] == place:
            wrong += [line async for line in _wrong(team, app, address, number * 100)]
    assert wrong == []


async def _wrong(world: Team, app: Starlette, address: str, number: int) -> AsyncIterator[str]:
    rpc = RULES[address]
    changes = address.startswith("POST") and bool(EXAMPLES[rpc].events)
    asked = await _asked(world, address, number)
    for at, one in enumerate(tries(rpc, world.secret), 1):
        if one.expected == ANSWERED and changes:
            asked = await _asked(world, address, number + at)
        got, answer = await outcome(app, address, asked, one)
        if got != one.expected:
            yield f"{address} as {one.who}: {got} ({answer.status}), not {one.expected}"
        if (one.who, got) == ("stranger", ANSWERED) and CREW in answer.text:
            yield f"{address} names {CREW} to a stranger"


async def test_another_person_finds_nothing_of_what_is_private(team: Team, app: Starlette) -> None:
    await team.push("hushed", await _tree(team))
    await team.run(datasets=["hushed"], memo="whispered")
    words = ("hushed", "whispered")

    async def told() -> bool:
        seen = await _pages(Inside(app, team.token(MIA)))
        return all(word in seen for word in words)

    await eventually(told)
    seen = await _pages(Inside(app, team.token(SAM)))
    assert [word for word in words if word in seen] == []


async def _pages(browser: Inside) -> str:
    places = ("/sessions?owner=crew", "/search?q=h", "/datasets", "/boards", "/cluster", "/account")
    return "".join([(await browser.get(place)).text for place in places])


async def _tree(world: World) -> str:
    with tempfile.TemporaryDirectory() as folder:
        return await world.stored(Path(folder) / "data", "content")
