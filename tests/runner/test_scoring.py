"""A submission is predicted by the user's code, judged without it, and says nothing of the data."""

from collections.abc import Mapping
from typing import Any

import pytest

from nsml_protos import session_pb2 as pb
from nsml_protos.board_pb2 import Board, Brief, Submission, Terms
from nsml_protos.dataset_pb2 import Revision, SplitPart, Splits
from nsml_protos.session_pb2 import Purpose
from tests.runner.conftest import Platform
from tests.runner.recorder import Told

HIDDEN = "7013509172644832175"
"""What is to be predicted; no stamp of time holds as many digits."""

LOADER = """
import os
from nsml import DATASET_PATH

def feed_infer(output_file, infer_func):
    with open(os.path.join(DATASET_PATH, "test", "test_data")) as file:
        told = infer_func([int(line) for line in file])
    with open(output_file, "w") as file:
        file.write("".join(f"{one}\\n" for one in told))
"""
SCRIPT = """
import os, sys
import nsml
from pathlib import Path

def infer(data):
    print("seen", data)
    print("seen", data, file=sys.stderr)
    nsml.report(step=1, summary=True, seen=data[0])
    nsml.save("best")
    {body}
    return [one % 2 for one in data]

nsml.bind(save=lambda path: Path(path, "x").write_text("x"), load=lambda path: None, infer=infer)
nsml.paused()
"""
EVALUATION = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--prediction")
parser.add_argument("--test_label_path")
config = parser.parse_args()
told, truth = [open(path).read().split() for path in (config.prediction, config.test_label_path)]
print(sum(a == b for a, b in zip(told, truth)) / len(truth))
"""
HUGE = (
    "file = nsml.OUTPUT_PATH + '/prediction'; open(file, 'w').close(); "
    "os.truncate(file, 4 << 30); os._exit(0)"
)
TERMS: Mapping[str, Any] = {
    "dataset": "digits",
    "labels": "test_label",
    "time_limit_seconds": 60,
    "evaluation_seconds": 20,
    "prediction_bytes": 1 << 20,
    "hold_seconds": 1,
}


async def brief(platform: Platform, evaluation: str = EVALUATION, **terms: Any) -> Brief:
    parts = {
        "loader": {"data_loader.py": LOADER},
        "test": {"test_data": f"{HIDDEN}\n2\n3\n4\n"},
        "labels": {"test_label": "1\n0\n1\n1\n"},
        "rehearsal": {"test_data": "5\n6\n"},
        "rehearsal_labels": {"test_label": "1\n1\n"},
        "evaluation": {"evaluation.py": evaluation},
    }
    trees = {
        name: SplitPart(tree=await platform.push_files(files), files=1)
        for name, files in parts.items()
    }
    revision = Revision(number=1, splits=Splits(**trees))
    board = Board(name="digits", owner="ada", terms=Terms(**{**TERMS, **terms}), revision=revision)
    return Brief(board=board)


async def submitted(
    platform: Platform,
    body: str = "",
    kind: "Purpose.Kind.ValueType" = Purpose.SUBMIT,
    **purpose: Any,
) -> Told:
    """Run a submission to its end."""
    name = await platform.assign(
        SCRIPT.replace("{body}", body or "pass"),
        datasets=[pb.Mount(dataset="digits", revision=1, tree="d" * 64)],
        purpose=Purpose(kind=kind, board="digits", id="s1", **purpose),
        resources=pb.Resources(cpus=1, time_limit_seconds=60),
    )
    point = pb.Checkpoint(name="3", tree=await platform.push_files({"x": "x"}))
    session = platform.recorder.told[name].assignment.session
    session.start.CopyFrom(point)
    session.parent.session = "ada/digits/1"
    told = await platform.start(name)
    assert await platform.runners[name].ended() == 0
    return told


def everything(told: Told) -> str:
    """Return all that a competitor may see of a session."""
    return f"{told.frames} {told.checkpoints} {told.end}"


async def test_it_is_scored_and_nothing_of_the_data_is_seen(platform: Platform) -> None:
    platform.boards.brief = await brief(platform)
    told = await submitted(platform)

    (report,) = platform.boards.reports
    assert (report.id, report.value, report.HasField("private")) == ("s1", 0.75, False)
    assert report.prediction_bytes == 8
    assert told.outcome == pb.Outcome(exit_code=0)
    assert HIDDEN not in everything(told)
    assert told.output(pb.STDOUT, pb.STDERR) == b""
    assert not any(frame.points.values or frame.usage for frame in told.frames)
    lines = told.output(pb.PLATFORM).decode().splitlines()
    name = told.assignment.session.name
    assert lines[-5:] == [
        f"{name}: Session ready",
        f"{name}: Load model",
        "load nsml model takes 1 seconds",
        "Infer test set. The inference should be completed within 60 seconds.",
        "Infer test set takes 1 seconds",
    ]


async def test_a_public_share_is_scored_apart(platform: Platform) -> None:
    platform.boards.brief = await brief(platform, public_share=0.5)
    await submitted(platform)

    (report,) = platform.boards.reports
    assert report.value + report.private == 1.5


async def test_a_rehearsal_is_in_the_open_and_on_no_board(platform: Platform) -> None:
    platform.boards.brief = await brief(platform)
    told = await submitted(platform, kind=Purpose.REHEARSE)

    assert platform.boards.reports == []
    assert b"seen [5, 6]" in told.output()
    assert b"Score on the small split: 0.5; it is on no board." in told.output(pb.PLATFORM)
    assert told.outcome.output_tree
    assert told.checkpoints == []


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("raise ValueError(f'seen {data}')", "ValueError; its message is withheld"),
        ("raise type(f'E{data[0]}', (Exception,), {})()", "An error of its own; its message is"),
        ("os._exit(data[0] % 256)", "its message is withheld"),
        ("raise SystemExit", "The code predicted nothing"),
        ("return [1]", "The evaluation ended with exit code 1 (IndexError)"),
        (
            HUGE,
            "The prediction has 4.00 GB, and the board takes 0.00 GB.",
        ),
        (
            "os.symlink('/etc/hostname', nsml.OUTPUT_PATH + '/prediction'); os._exit(0)",
            "The code predicted nothing",
        ),
    ],
    ids=["error", "own error", "exit code", "nothing", "too short", "huge", "link"],
)
async def test_what_fails_is_said_and_reveals_nothing(
    platform: Platform, body: str, sentence: str
) -> None:
    strict = EVALUATION.replace("zip(told, truth)", "((told[n], truth[n]) for n in range(4))")
    platform.boards.brief = await brief(platform, strict)
    told = await submitted(platform, body)

    assert platform.boards.reports == []
    assert sentence in told.outcome.message
    assert told.outcome.exit_code == 1
    assert HIDDEN not in everything(told)
    if "ValueError" in sentence:
        assert b"main.py, line 11: raise ValueError(f'seen {data}')" in told.output(pb.PLATFORM)


@pytest.mark.parametrize(
    ("evaluation", "sentence"),
    [
        ("while True: pass", "did not end within 2 s"),
        ("", "printed nothing"),
        ("print('nan')", "is not a number"),
        ("print(0.9)\nprint('done')", "is not a number"),
        ("import os; os.kill(os.getpid(), 9)", "killed by signal 9"),
        ("print(open('/nowhere').read())", "exit code 1 (FileNotFoundError)"),
        ("print('x' * (64 << 20))", "is not a number"),
        (
            "import os, time\nfor _ in range(50): os.fork() or time.sleep(600)\nprint(1/0)",
            "exit code 1 (ZeroDivisionError)",
        ),
    ],
    ids=["endless", "silent", "nan", "words", "killed", "broken", "floods", "forks"],
)
async def test_an_evaluation_that_gives_no_number_gives_no_score(
    platform: Platform, evaluation: str, sentence: str
) -> None:
    platform.boards.brief = await brief(platform, evaluation, evaluation_seconds=2)
    told = await submitted(platform)

    assert platform.boards.reports == []
    assert sentence in told.outcome.message
    for printed in platform.boards.printed:
        assert printed not in everything(told)


async def test_why_an_evaluation_failed_is_for_the_boards_owner_alone(platform: Platform) -> None:
    broken = f"print('read it'); raise ValueError(open({{path!r}}).read() + '{HIDDEN}')"
    script = "import sys\npath = sys.argv[sys.argv.index('--test_label_path') + 1]\n" + broken
    platform.boards.brief = await brief(platform, script.replace("{path!r}", "path"))
    told = await submitted(platform)

    (printed,) = platform.boards.printed
    assert printed.startswith("read it\nTraceback")
    assert printed.splitlines()[-1] == HIDDEN
    assert "exit code 1 (ValueError)" in told.outcome.message
    assert HIDDEN not in everything(told)


WATCHER = """
import pathlib, sys
while not list(pathlib.Path(sys.argv[1]).rglob("*label*")):
    pass
open(sys.argv[2], "w").close()
"""


async def test_the_labels_come_once_the_code_has_gone(platform: Platform) -> None:
    """Whatever the code looks for below its folder, and leaves behind, finds no label."""
    found = platform.home / "found"
    look = (
        "root = Path(nsml.DATASET_PATH).parents[1]; assert not list(root.rglob('*label*')); "
        f"import subprocess; subprocess.Popen([sys.executable, '-c', {WATCHER!r}, str(root), "
        f"{str(found)!r}], start_new_session=True)"
    )
    platform.boards.brief = await brief(platform)
    told = await submitted(platform, look)

    assert told.outcome == pb.Outcome(exit_code=0)
    assert not found.exists()


async def test_a_board_may_demand_containers(platform: Platform) -> None:
    platform.boards.brief = await brief(platform, sandbox="docker")
    told = await submitted(platform)

    assert "run in containers only" in told.outcome.message
    assert platform.boards.reports == []


async def test_predictions_are_judged_again(platform: Platform) -> None:
    given = await brief(platform)
    kept = await platform.push_files({"prediction": "1\n0\n1\n1\n"})
    broken = await platform.push_files({"prediction": ""})
    for name, tree in (("s1", kept), ("s2", broken)):
        each = Submission(id=name, session=f"bob/digits/{name}", prediction=tree)
        each.scores.add(value=0.5)
        given.again.append(each)
    platform.boards.brief = given
    told = await submitted(platform, kind=Purpose.RESCORE)

    assert [(one.id, one.value) for one in platform.boards.reports] == [("s1", 1.0), ("s2", 0.0)]
    assert b"bob/digits/s1: 0.5 is now 1.0" in told.output(pb.PLATFORM)
    assert told.outcome == pb.Outcome(exit_code=0)


async def test_a_sample_is_tried_in_the_open(platform: Platform) -> None:
    platform.boards.brief = await brief(platform, f"print('rows', 4)\n{EVALUATION}")
    sample = await platform.push_files({"any": "1\n1\n1\n1\n"})
    told = await submitted(platform, kind=Purpose.TRY, sample=sample)

    assert b"rows 4\n0.75\n" in told.output()
    assert b"Score: 0.75" in told.output(pb.PLATFORM)
    assert platform.boards.reports == []
