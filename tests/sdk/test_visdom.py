"""Visdom(): what scripts draw arrives as metrics, images, texts and tables."""

import json
from base64 import b64decode
from typing import Any

from tests.sdk.conftest import Runner, Script, reports

HEAD = """
import numpy as np, types, nsml
visdom = types.ModuleType("visdom")
vis = nsml.Visdom(visdom=visdom)
"""


class Drawn:
    """What a script drew, as it arrived."""

    def __init__(self, session: Script, runner: Runner, body: str) -> None:
        self.ended = session.run(HEAD + body)
        assert self.ended.returncode == 0, self.ended.stderr
        self._messages = runner.received()

    def lines(self) -> dict[str, list[tuple[float, float]]]:
        lines: dict[str, list[tuple[float, float]]] = {}
        for batch in (each for each in self._messages if each["op"] == "points"):
            for report in reports(batch):
                for name, value in report["values"].items():
                    lines.setdefault(name, []).append((report["step"], value))
        return lines

    def records(self) -> list[tuple[str, str, float]]:
        found = [each for each in self._messages if each["op"] == "record"]
        return [(each["kind"], each["name"], each["step"]) for each in found]

    def content(self, name: str) -> Any:
        (found,) = (each for each in self._messages if each.get("name") == name)
        data = b64decode(found["data"])
        return json.loads(data) if found["media"] == "application/json" else data


def test_lines_are_series_by_title_legend_and_name(session: Script, runner: Runner) -> None:
    drawn = Drawn(
        session,
        runner,
        """
win = vis.line(Y=np.array([1.0]), X=np.array([0]), opts=dict(title="loss"))
for step in (1, 2):
    assert vis.line(np.array([0.5 * step]), np.array([step]), win=win, update="append") == win
both = np.array([[1, 10], [2, 20]])
vis.line(Y=both, X=np.array([0, 1]), win="acc", opts=dict(legend=["train", "val"]))
vis.line(Y=both, X=both, win="xy", env="other")
vis.line(Y=[7], X=[3], win="acc", name="test", update="append")
for value in (5, 6): vis.line(Y=[value], win="counted", update="append")
assert vis.win_exists("acc") and vis.check_connection()
""",
    )

    assert drawn.ended.stderr == ""
    assert drawn.lines() == {
        "loss": [(0, 1), (1, 0.5), (2, 1)],
        "acc/train": [(0, 1), (1, 2)],
        "acc/val": [(0, 10), (1, 20)],
        "acc/test": [(3, 7)],
        "other/xy/1": [(1, 1), (2, 2)],
        "other/xy/2": [(10, 10), (20, 20)],
        "counted": [(0, 5), (1, 6)],
    }


def test_a_line_that_is_drawn_anew_sends_what_is_new(session: Script, runner: Runner) -> None:
    drawn = Drawn(
        session,
        runner,
        """
losses = []
for epoch in range(4):
    losses.append(1 / (epoch + 1))
    vis.line(Y=losses, X=list(range(epoch + 1)), win="loss")
vis.line(Y=[9], X=[0], win="loss", update="replace")
""",
    )

    assert drawn.lines() == {"loss": [(0, 1), (1, 0.5), (2, 1 / 3), (3, 0.25), (0, 9)]}


def test_pictures_texts_and_charts_are_records(session: Script, runner: Runner) -> None:
    drawn = Drawn(
        session,
        runner,
        """
for _ in range(2):
    vis.images(np.zeros((2, 3, 4, 4)), opts=dict(title="faces", caption="epoch"), win="f")
vis.image(np.full((3, 2, 2), 255.0), win="one")
vis.text("왜?", win="said")
vis.scatter(X=np.array([[1, 2], [3, 4]]), Y=np.array([1, 2]), win="points")
vis.bar(X=[5, 6], opts=dict(rownames=["cat", "dog"]), win="bars")
vis.histogram(X=np.arange(10), win="spread")
vis.matplot(types.SimpleNamespace(savefig=lambda file, format: file.write(b"\\x89PNG")), win="fig")
vis.close("f"); vis.save(["main"])
""",
    )

    assert drawn.ended.stderr == ""
    faces = [("image", f"faces/{number}", step) for step in (0, 1) for number in (0, 1)]
    assert [each for each in drawn.records() if each[0] == "image"] == [
        *faces,
        ("image", "one", 0),
        ("image", "fig", 0),
    ]
    assert drawn.content("said").decode() == "왜?"
    assert drawn.content("points") == {
        "columns": ["x", "y", "group"],
        "rows": [[1, 2, 1], [3, 4, 2]],
    }
    assert drawn.content("bars") == {"columns": ["bar", "value"], "rows": [["cat", 5], ["dog", 6]]}
    assert drawn.content("spread")["count"] == 10


def test_what_is_not_understood_is_left_out_and_said_once(session: Script, runner: Runner) -> None:
    drawn = Drawn(
        session,
        runner,
        """
for _ in range(2):
    assert vis.surf(X=np.zeros((3, 3)), win="s") == "s"
    vis.line(Y=["a"], X=[1], win="broken")
    vis.image("no such file", win="missing")
vis.line(Y=[1], X=[1], win="fine")
""",
    )

    assert drawn.lines() == {"fine": [(1, 1)]}
    said = [line.partition(":")[2] for line in drawn.ended.stderr.splitlines()]
    assert len(said) == 3
    assert said[0] == " Visdom.surf is not kept here; this is said once."


def test_off_the_platform_it_does_nothing(laptop: Script) -> None:
    ended = laptop.run(
        HEAD + "vis.line(Y=['a']); vis.images(None); vis.text(1); vis.anything(1)\n"
        "print(vis.check_connection(), vis.win_exists('x'))"
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "False False\n", "")
    assert [path.name for path in laptop.folder.iterdir()] == ["main.py"]
