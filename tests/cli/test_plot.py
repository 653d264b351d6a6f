"""`nsml plot` as people and scripts see it: in a pipe, in a terminal, in files."""

import json
import math
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nsml_core import errors
from nsml_protos import session_pb2 as pb
from tests.cli import terminal
from tests.cli.conftest import Peer, Result

Run = Callable[..., Result]

SPIKE = 400
HOSTILE = "a\x1b]0;owned\x07\u202e/$\\frac{"


def told(*names: str, values: tuple[float, ...] = (3.0, 2.0, 1.0)) -> pb.MetricsReply:
    count = len(values)
    times = [1_800_000_000_000_000 + second * 1_000_000 for second in range(count)]
    return pb.MetricsReply(
        series=[
            pb.Series(name=name, steps=range(count), times_us=times, values=values)
            for name in names
        ]
    )


def live(*numbers: int) -> pb.ListSessionsReply:
    sessions = [pb.Session(name=f"ann/mnist/{number}", owner="ann") for number in numbers]
    return pb.ListSessionsReply(sessions=[pb.SessionRow(session=one) for one in sessions])


def test_a_pipe_gets_the_picture_without_colours(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/Metrics", told("loss", HOSTILE))

    code, out, err = nsml("plot", "mnist/1", "mnist/2", "-k", "*o*", "--log")

    assert (code, err) == (0, "")
    assert r"a\x1b]0;owned\x07\u202e/$\frac{" in out
    assert not set(out) & set("\x1b\x07\u202e")
    lines = out.splitlines()
    assert max(map(len, lines)) <= 100
    assert (
        lines.count("a  ann/mnist/1  1  (1 to 3)")
        == lines.count("b  ann/mnist/2  1  (1 to 3)")
        == 2
    )
    assert any("\u2801" <= letter <= "\u28ff" for letter in out)
    assert [list(request.series) for request in peer.requests("Sessions/Metrics")] == [["*o*"]] * 2


def test_extremes_between_the_columns_are_seen(
    peer: Peer, nsml: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    peer.answer(
        "Sessions/Metrics",
        lambda request: pb.MetricsReply(
            series=[
                pb.Series(
                    name="loss",
                    steps=[499, 999],
                    times_us=[1, 2],
                    values=[1, 1],
                    mins=[1, -50],
                    maxs=[SPIKE, 1],
                    firsts=[1, 1],
                    first_steps=[0, 500],
                    counts=[request.buckets, 500],
                )
            ]
        ),
    )

    out = nsml("plot", "mnist/1").out

    (request,) = peer.requests("Sessions/Metrics")
    assert request.buckets == 200
    assert "── ann/mnist/1  1  (-50 to 400)" in out
    assert out.splitlines()[1].startswith("400 ┤")


def test_patterns_of_sessions(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/List", live(1, 2))
    peer.answer("Sessions/Metrics", told("loss"))

    assert nsml("plot", "mnist/*").out.count("ann/mnist/") == 2
    assert peer.requests("Sessions/List")[0].pattern == "ann/mnist/*"


def test_json_holds_every_point(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/Metrics", told("loss", values=(1.0, math.nan, math.inf)))

    code, out, _ = nsml("plot", "mnist/1", "-j")

    assert code == 0
    assert json.loads(out) == [
        {
            "session": "ann/mnist/1",
            "series": "loss",
            "steps": [0, 1, 2],
            "times_us": [1_800_000_000_000_000, 1_800_000_001_000_000, 1_800_000_002_000_000],
            "values": [1, None, None],
        }
    ]
    assert peer.requests("Sessions/Metrics")[0].buckets == 0


def test_nothing_to_draw_is_an_error_that_helps(peer: Peer, nsml: Run) -> None:
    peer.answer(
        "Sessions/Metrics",
        lambda request: told() if request.series else told("acc", "loss\n"),
    )

    assert nsml("plot", "mnist/1", "-k", "x") == (
        *(3, ""),
        "Error: No series matches: there is acc, loss .\n",
    )
    peer.answer("Sessions/Metrics", told())
    assert "ann/mnist/1: no metrics were reported" in nsml("plot", "mnist/1").err
    peer.answer("Sessions/Metrics", errors.NotFound("There is no session ann/mnist/1."))
    assert nsml("plot", "mnist/1").code == 3


def test_a_curve_of_nothing_but_gaps_is_said(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/Metrics", told("loss", values=(math.nan, math.inf)))

    assert "Nothing but values that no axis holds." in nsml("plot", "mnist/1").out


@pytest.mark.parametrize("along", ["step", "time", "relative"])
def test_pictures_in_files_show_names_as_they_are(
    peer: Peer, nsml: Run, tmp_path: Path, along: str
) -> None:
    values = (1.0, math.nan, 1e308, -1e308, math.inf, 0.1)
    peer.answer("Sessions/Metrics", told("loss", HOSTILE, values=values))
    svg, png = tmp_path / "a.svg", tmp_path / "a.png"
    scale = ("--log", "--smooth") if along == "step" else ()
    words = ("--svg", str(svg), "--png", str(png), "--x", along, *scale)

    code, out, err = nsml("plot", "mnist/1", *words)

    assert (code, err) == (0, "")
    assert out == f"Wrote {png}\nWrote {svg}\n"
    assert png.read_bytes().startswith(b"\x89PNG")
    assert svg.read_text().startswith("<?xml")


def test_without_matplotlib_it_says_how_to_get_it(
    peer: Peer, nsml: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer.answer("Sessions/Metrics", told("loss"))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)

    code, _, err = nsml("plot", "mnist/1", "--png", str(tmp_path / "a.png"))

    assert code == 1
    assert "pip install 'nsml-cli[plot]'" in err
    assert list(tmp_path.glob("*.png")) == []


def test_following_in_a_terminal_until_all_have_ended(peer: Peer) -> None:
    status = {"now": pb.RUNNING}
    seen: dict[str, tuple[float, ...]] = {"values": (3.0, 2.0)}
    peer.answer("Sessions/Get", lambda one: pb.Session(name=one.name, status=status["now"]))
    peer.answer("Sessions/Metrics", lambda _: told("loss", values=seen["values"]))

    with terminal.opened("plot", "-f", "mnist/1") as person:
        assert "ann/mnist/1  2  (2 to 3)" in person.shows("1 of 1 session live. Ctrl-C leaves.")
        seen["values"] = (3.0, 2.0, 1.5)
        assert max(map(len, person.shows("1.5  (1.5 to 3)").splitlines())) <= 80
        person.resize(120, 40)
        person.shows(f"loss{' ' * 112}step")
        status["now"] = pb.EXITED

        assert person.ends() == 0

    assert b"\x1b[?1049h" in person.raw
    assert person.raw.rindex(b"\x1b[?1049l") > person.raw.rindex(b"\x1b[?1049h")
    assert b"\x1b[36m" in person.raw
    last = person.raw[person.raw.rindex(b"\x1b[?1049l") :]
    assert b"(1.5 to 3)" in last


@pytest.mark.parametrize("end", ["\x03", signal.SIGTERM])
def test_ctrl_c_ends_the_watching_only(peer: Peer, end: str | signal.Signals) -> None:
    peer.answer("Sessions/Get", lambda one: pb.Session(name=one.name, status=pb.RUNNING))
    peer.answer("Sessions/Metrics", told("loss"))

    with terminal.opened("plot", "-f", "mnist/1", NO_COLOR="1") as person:
        person.shows("live")
        if isinstance(end, str):
            person.press(end)
        code = person.ends(None if isinstance(end, str) else end)

        assert code == 130
        assert "only the watching has ended" in person.text
        assert person.raw.endswith(b"\n")
        assert person.raw.rindex(b"\x1b[?25h") > person.raw.rindex(b"\x1b[?25l")
        assert b"\x1b[36m" not in person.raw
    assert {asked.method for asked in peer.asked} == {"Sessions/Get", "Sessions/Metrics"}


def test_a_service_that_is_away_for_a_moment_is_waited_for(peer: Peer) -> None:
    peer.answer("Sessions/Get", lambda one: pb.Session(name=one.name, status=pb.RUNNING))
    peer.answer("Sessions/Metrics", errors.Unavailable("The service is stopping."))

    with terminal.opened("plot", "-f", "mnist/1") as person:
        person.shows("The service is stopping.")
        peer.answer("Sessions/Metrics", told("loss"))
        person.shows("ann/mnist/1  1  (1 to 3)")


@pytest.mark.parametrize("scale", ["--log", "--together", "--smooth"])
def test_any_number_can_be_drawn(peer: Peer, nsml: Run, scale: str) -> None:
    largest, least = sys.float_info.max, 5e-324
    peer.answer(
        "Sessions/Metrics",
        lambda _: pb.MetricsReply(
            series=[
                *told("huge", values=(largest, -largest, 1.0)).series,
                *told("one", values=(largest,)).series,
                *told("tiny", values=(least, 2 * least, math.nan)).series,
                pb.Series(name="steps", steps=[-largest, largest], times_us=[-(2**63), 2**63 - 1],
                          values=[1, 2]),
            ]
        ),
    )  # fmt: skip

    for along in ("step", "time", "relative"):
        code, out, err = nsml("plot", "mnist/1", scale, "--x", along)
        assert (code, err) == (0, "")
        assert "ann/mnist/1" in out
