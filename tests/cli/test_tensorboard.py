"""`nsml tensorboard`: the real one, on what a session tells while it tells it."""

import json
import os
import re
import shutil
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nsml_protos import session_pb2 as pb
from tests.cli import terminal
from tests.cli.conftest import Peer, Result

Run = Callable[..., Result]

TAG = "a\x1b]0;owned\x07/loss"


def news(values: list[float], *, anew: bool = False, first: int = 0) -> pb.MetricsNews:
    steps = range(first, first + len(values))
    times = [1_800_000_000_000_000 + step for step in steps]
    series = pb.Series(name=TAG, steps=steps, times_us=times, values=values)
    return pb.MetricsNews(series=[series], anew=anew, live=True)


def asked(address: str, path: str) -> Any:
    with urllib.request.urlopen(f"{address}data/{path}") as reply:  # noqa: S310 - of loopback
        return json.load(reply)


def shown(address: str, values: list[float]) -> None:
    """Wait until TensorBoard shows these values, and no others."""
    query = urllib.parse.urlencode({"run": "ann-mnist-1", "tag": TAG})
    found = None
    while found != values:
        time.sleep(0.1)
        if TAG in asked(address, "plugin/scalars/tags").get("ann-mnist-1", {}):
            points = asked(address, f"plugin/scalars/scalars?{query}")
            found = [value for _, _, value in points]


def test_it_shows_sessions_live_and_leaves_nothing(peer: Peer, tmp_path: Path) -> None:
    more, again, over = threading.Event(), threading.Event(), threading.Event()

    def told(_request: object) -> Iterator[pb.MetricsNews]:
        yield news([4, 3], anew=True)
        more.wait()
        yield news([2], first=2)
        again.wait()  # another attempt begins, and all is told anew
        yield news([4, 3.5], anew=True)
        over.wait()

    peer.answer("Sessions/Get", pb.Session(name="ann/mnist/1", status=pb.RUNNING))
    peer.answer("Sessions/WatchMetrics", told)
    scratch = tmp_path / "t"
    scratch.mkdir()

    with terminal.opened("tensorboard", "mnist/1", TMPDIR=str(scratch)) as person:
        said = person.shows("TensorBoard shows 1 session at", "Ctrl-C stops it.")
        found = re.search(r"http://127\.0\.0\.1:\d+/", said)
        assert found
        shown(found[0], [4, 3])
        more.set()
        shown(found[0], [4, 3, 2])
        again.set()
        shown(found[0], [4, 3.5])
        person.press("\x03")

        assert person.ends() == 130
    over.set()
    assert [path for path in scratch.rglob("*") if path.name != ".tensorboard-info"] == []
    with pytest.raises(OSError, match="refused"):
        asked(found[0], "runs")


def test_without_tensorboard_it_says_how_to_get_it(
    nsml: Run, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nsml_cli.tensorboard.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", "")

    code, out, err = nsml("tensorboard", "mnist/1")

    assert (code, out) == (1, "")
    assert "pip install 'nsml-cli[tensorboard]'" in err
    assert peer.asked == []


def test_one_that_ends_at_once_is_an_error(
    nsml: Run, peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program of the user's environment, which says what is wrong with it."""
    peer.answer("Sessions/Get", pb.Session(name="ann/mnist/1", status=pb.EXITED))
    peer.answer("Sessions/WatchMetrics", [])
    broken = tmp_path / "tensorboard"
    broken.write_text('#!/bin/sh\necho "no such flag: $1\x1b[2J" >&2\nexit 1\n')
    broken.chmod(0o700)
    monkeypatch.setattr("nsml_cli.tensorboard.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert shutil.which("tensorboard") == str(broken)

    code, _, err = nsml("tensorboard", "mnist/1", "--logdir", str(tmp_path / "kept"))

    assert (code, err) == (
        *(1,),
        "Error: TensorBoard has ended: no such flag: --logdir\\x1b[2J\n",
    )
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["ann-mnist-1"]
    assert "is not empty" in nsml("tensorboard", "mnist/1", "--logdir", str(tmp_path)).err
