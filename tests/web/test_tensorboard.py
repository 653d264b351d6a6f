"""TensorBoard behind the web's login: what it shows, to whom, and that nothing of it is left."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nsml_core.settings import read
from nsml_web import tensorboards
from tests.journeys.person import Person
from tests.web.inside import Inside, serving
from tests.web.test_access import token_of
from tests.web.visitor import Answer, Visitor

REPORTS = """
import nsml
for step in range(3):
    nsml.report(step=step, train__loss=1 / (step + 1))
"""


@pytest.fixture(scope="module")
def done(machine: Person, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A session that has reported something."""
    ann = Person(machine.home, tmp_path_factory.mktemp("done"), machine.environ)
    name = ann.starts(REPORTS)
    ann.wait(name, "Exited")
    return name


def scalars(visitor: Visitor, name: str) -> Answer:
    run = name.replace("/", "-")
    data = f"/sessions/{name}/tensorboard/data/plugin/scalars/scalars"
    return visitor.get(f"{data}?run={run}&tag=train%2Floss", {"accept": "application/json"})


def test_it_shows_what_a_session_reported(done: str, visitor: Visitor) -> None:
    assert "Open TensorBoard" in visitor.get(f"/sessions/{done}/tensorboard").text
    first = visitor.get(f"/sessions/{done}/tensorboard/")
    assert first.status == 200
    assert "unsafe-eval" not in first.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in first.headers["content-security-policy"]
    answer = scalars(visitor, done)
    while answer.status != 200:  # it looks for files by and by
        time.sleep(0.2)
        answer = scalars(visitor, done)

    points = [(step, round(value, 3)) for _, step, value in json.loads(answer.text)]
    assert points == [(0, 1.0), (1, 0.5), (2, 0.333)]


async def test_without_it_the_page_says_what_to_install(
    ann: Person, done: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorboards, "find_spec", lambda _: None)
    app = serving(read({"NSML_HOME": str(ann.home)}))
    browser = Inside(app, token_of(ann, "ann"))
    page = await browser.get(f"/sessions/{done}/tensorboard")
    there = await browser.get(f"/sessions/{done}/tensorboard/")
    await app.state.web.close()

    assert "Open TensorBoard" not in page.text
    assert 'data-copy="pip install &#39;nsml-web[tensorboard]&#39;"' in page.text
    assert f"nsml tensorboard {done}" in page.text
    assert there.status == 409
    assert "pip install &#39;nsml-web[tensorboard]&#39;" in there.text


def test_it_is_for_those_who_may_see_the_session(ann: Person, done: str, visitor: Visitor) -> None:
    page = f"/sessions/{done}/tensorboard/"
    evil = {"origin": "http://evil.example", "content-length": "0"}
    ann.says("user", "add", "bea")
    bearer = {"authorization": f"Bearer {token_of(ann, 'bea')}", "content-length": "0"}
    told = visitor.ask("POST", "/login/link", "", {**bearer, "accept": "application/json"})
    link = json.loads(told.text)
    with Visitor(f"{visitor.origin}/login") as stranger, Visitor(link["url"]) as bea:
        assert stranger.get(page).to.startswith("/login")
        assert bea.get("/sessions").status == 200
        assert bea.get(page).status == 404
        assert scalars(bea, done).status == 404
    assert visitor.ask("POST", page, "", evil).status == 403


def test_it_ends_with_the_web_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "board"
    (folder / "runs").mkdir(parents=True)
    command = [sys.executable, "-m", "nsml_web.tensorboard_program", str(folder), "/here"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin
        process.stdin.close()
        assert process.wait() == 0
    assert not folder.exists()
