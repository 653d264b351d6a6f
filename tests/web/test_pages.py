"""Pages as requests: what is found, brought, and changed, and by whom."""

import io
import json
import zipfile

import pytest

from tests.journeys.person import Person
from tests.web.visitor import Visitor

WRITES = """
import os, nsml
nsml.bind(save=lambda folder: open(folder + "/model.bin", "w").write("weights"))
nsml.report(summary=True, scope=locals(), step=1, loss=0.5)
nsml.save("best")
open(os.path.join(os.environ["NSML_OUTPUT"], "page.html"), "w").write("<script>alert(1)</script>")
"""


@pytest.fixture(scope="module")
def done(machine: Person, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A session that has ended and left something."""
    ann = Person(machine.home, tmp_path_factory.mktemp("done"), machine.environ)
    ann.push("seen", {"data.csv": "a,b\n1,<b>2</b>\n", "deep/er/file": "x"})
    ann.push("seen", {"data.csv": "a,b\n1,2\n", "new.bin": b"\0\1"})
    name = ann.starts(WRITES, "-d", "seen@1", "-m", "needle in the hay", "--tag", "odd one")
    ann.wait(name, "Exited")
    return name


@pytest.mark.parametrize("query", ["q=needle", "q=HAY+needle", "tag=odd+one", "dataset=seen"])
def test_a_session_is_found_by_what_is_known_of_it(query: str, done: str, visitor: Visitor) -> None:
    assert done in visitor.get(f"/sessions?{query}").text


@pytest.mark.parametrize("query", ["q=needles", "status=failed&q=needle", "page=2&q=needle"])
def test_what_is_not_so_is_not_found(query: str, done: str, visitor: Visitor) -> None:
    answer = visitor.get(f"/sessions?{query}")

    assert answer.status == 200
    assert done not in answer.text


def test_a_model_comes_as_a_zip(done: str, visitor: Visitor) -> None:
    answer = visitor.get(f"/sessions/{done}/models/zip?name=best")

    with zipfile.ZipFile(io.BytesIO(answer.body)) as packed:
        assert packed.read("model.bin") == b"weights"


def test_a_file_of_others_is_brought_and_never_run(done: str, visitor: Visitor) -> None:
    answer = visitor.get(f"/sessions/{done}/raw?of=output&path=page.html")

    assert answer.body == b"<script>alert(1)</script>"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-security-policy"].startswith("sandbox")
    shown = visitor.get(f"/sessions/{done}/output?path=page.html").text
    assert "&lt;script&gt;alert(1)" in shown


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "nowhere", "deep", ""])
def test_no_file_outside_of_a_dataset_is_reached(path: str, done: str, visitor: Visitor) -> None:
    assert done
    assert visitor.get(f"/datasets/seen/raw?revision=1&path={path}").status == 404


def test_a_dataset_says_what_changed(done: str, visitor: Visitor) -> None:
    newest = visitor.get("/datasets/seen").text
    oldest = visitor.get("/datasets/seen?revision=1&path=data.csv").text

    assert "+ new.bin" in newest
    assert "± data.csv" in newest
    assert "<td>&lt;b&gt;2&lt;/b&gt;</td>" in oldest
    assert done in oldest


def test_curves_come_as_numbers(done: str, visitor: Visitor) -> None:
    told = json.loads(visitor.get(f"/sessions/{done}/series").text)["series"]

    assert {"name": "loss", "x": [1.0], "y": [0.5]} in told


def test_a_memo_is_changed_and_a_session_removed(ann: Person, visitor: Visitor) -> None:
    name = ann.starts("print('short')")
    ann.wait(name, "Exited")
    page = f"/sessions/{name}"

    changed = visitor.post(f"{page}/memo", {"csrf": visitor.csrf(), "memo": "<i>new</i>"})
    assert changed.to == page
    assert "&lt;i&gt;new&lt;/i&gt;" in visitor.get(page).text
    assert visitor.post(f"{page}/remove", {"csrf": visitor.csrf()}).to == "/sessions"
    assert visitor.get(page).status == 404


def test_what_cannot_be_is_said_on_the_form(done: str, visitor: Visitor) -> None:
    form = {"csrf": visitor.csrf(), "args": "--lr 'open", "gpus": "0", "cpus": "1"}
    answer = visitor.post(f"/sessions/{done}/fork", form)

    assert answer.status == 409
    assert "close the quotes" in answer.text


def test_the_log_goes_on_where_a_reader_left(done: str, visitor: Visitor) -> None:
    first = visitor.get(f"/sessions/{done}/live").text
    mark = next(line for line in first.splitlines() if line.startswith("id: "))[4:]
    again = visitor.get(f"/sessions/{done}/live", {"last-event-id": mark}).text

    assert first.count("event: log") >= 1
    assert again.count("event: log") == 0
    assert again.rstrip().endswith("event: end\ndata: {}")
