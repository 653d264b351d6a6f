"""A script that goes on is told the options of NSML that its code can have, and no others."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from nsml_protos import session_pb2
from nsml_runner import going_on

ALL = ("--mode", "train", "--pause", "1", "--iteration", "10")


def session(*args: str, start: bool = True) -> session_pb2.Session:
    one = session_pb2.Session(spec=session_pb2.Spec(args=args))
    if start:
        one.start.name = "10"
    return one


def written(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("files", "options"),
    [
        ({"main.py": "add('--mode'); add('--pause'); add('--iteration')"}, ALL),
        ({"main.py": "", "lib/options.py": "def main(mode, pause=0, iteration=''): ..."}, ALL),
        ({"main.py": "", "conf/options.yaml": "pause: 0\nmode: x\niteration: 1"}, ALL),
        ({"main.py": "add('--mode'); add('--pause')"}, ("--mode", "train", "--pause", "1")),
        ({"main.py": "nsml.paused()  # for iterations in this mode"}, ()),
        ({"main.py": "", "data.csv": "pause"}, ()),
    ],
)
def test_what_the_code_has_a_word_for_is_told(
    tmp_path: Path, files: Mapping[str, str], options: tuple[str, ...]
) -> None:
    assert going_on.options(session(), written(tmp_path, files)) == options


def test_what_the_user_chose_stays(tmp_path: Path) -> None:
    code = written(tmp_path, {"main.py": "mode, pause, iteration"})

    assert going_on.options(session("--mode", "test"), code) == ALL[2:]
    assert going_on.options(session("--mode=infer"), code) == ALL[2:]
    assert going_on.options(session("train.lr=1"), code) == ()


def test_from_the_beginning_nothing_is_told(tmp_path: Path) -> None:
    code = written(tmp_path, {"main.py": "mode, pause, iteration"})
    fresh = session(start=False)

    assert (going_on.options(fresh, code), going_on.variables(fresh)) == ((), {})
    assert going_on.variables(session()) == {"NSML_PAUSE": "1", "NSML_ITERATION": "10"}
