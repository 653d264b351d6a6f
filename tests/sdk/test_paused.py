"""paused(): a session that is resumed or forked goes on from its checkpoint."""

import json

import pytest

from tests.sdk.conftest import Runner, Script

SCRIPT = """
import argparse, os, sys, nsml

parser = argparse.ArgumentParser()
for name in ("--mode", "--pause", "--iteration", "--lr"):
    parser.add_argument(name)
parser.parse_args()

before = list(sys.argv)
nsml.bind(
    save=lambda path: open(path + "/model", "w").close(),
    load=lambda path: print("loaded", os.path.basename(path)),
)
if os.environ.get("FIRST"):
    nsml.save("10")
    nsml.save("20")
nsml.paused(scope=locals())
assert sys.argv == before
print("trains")
"""


@pytest.mark.parametrize("arguments", ["", "--pause 0", "--pause 0 --iteration 10", "--lr 0.1"])
def test_a_plain_run_does_nothing(session: Script, runner: Runner, arguments: str) -> None:
    ended = session.run(SCRIPT, *arguments.split())

    assert (ended.stdout, ended.stderr) == ("trains\n", "")
    assert runner.received() == []


@pytest.mark.parametrize("place", ["laptop", "session"])
@pytest.mark.parametrize(
    ("arguments", "checkpoint"),
    [
        ("--mode train --pause 1 --iteration 10", "10"),
        ("--pause=1 --iteration=10 --lr 0.1", "10"),
        ("--pause 0 --pause 1", "20"),
    ],
)
def test_a_resumed_session_loads_and_goes_on(
    place: str, request: pytest.FixtureRequest, arguments: str, checkpoint: str
) -> None:
    here: Script = request.getfixturevalue(place)
    here.run(SCRIPT, FIRST="1")

    ended = here.run(SCRIPT, *arguments.split())

    assert ended.stderr == ""
    assert ended.stdout.splitlines() == [f"loaded {checkpoint}", "trains"]


def test_a_script_without_these_options_is_told_by_the_environment(laptop: Script) -> None:
    laptop.run(SCRIPT, FIRST="1")

    ended = laptop.run(SCRIPT, NSML_PAUSE="1")

    assert ended.stdout.splitlines() == ["loaded 20", "trains"]


def test_the_environment_names_the_checkpoint(laptop: Script) -> None:
    laptop.run(SCRIPT, FIRST="1")

    named = laptop.run(SCRIPT, NSML_PAUSE="1", NSML_ITERATION="10")
    typed = laptop.run(SCRIPT, "--iteration", "20", NSML_PAUSE="1", NSML_ITERATION="10")

    assert (named.stdout, named.stderr) == ("loaded 10\ntrains\n", "")
    assert typed.stdout == "loaded 20\ntrains\n"


def test_what_cannot_be_loaded_is_not_trained_from_nothing(session: Script, runner: Runner) -> None:
    runner.kill()

    ended = session.run(SCRIPT, "--pause", "1")

    assert ended.returncode == 1
    assert ended.stdout == ""


SERVED = """
import nsml

def infer(data):
    if data == "bad":
        raise ValueError("no such word")
    return [data, len(data)]

nsml.bind(
    save=lambda path: open(path + "/model", "w").close(), load=lambda path: None, infer=infer
)
nsml.save("best")
nsml.paused(scope=locals())
print("never gets here")
"""


def test_to_infer_it_answers_until_nothing_more_is_asked(laptop: Script) -> None:
    questions = laptop.folder / "questions"
    questions.write_text('"왜"\n\n"bad"\n{\n[1, 2]\n', encoding="utf-8")
    words = ("--mode", "infer", "--pause", "1", "--iteration", "best")
    ended = laptop.run(SERVED, *words, NSML_INFER_INPUT=str(questions))

    assert (ended.returncode, ended.stderr) == (0, "")
    first, second, third, fourth = map(json.loads, ended.stdout.splitlines())
    assert first == {"result": ["왜", 1]}
    assert second == {"error": "ValueError: no such word (main.py:6)"}
    assert third["error"].startswith("JSONDecodeError: ")
    assert fourth == {"result": [[1, 2], 2]}


FEED_INFER = """
def feed_infer(output_file, infer_func):
    open(output_file, "wb").write(bytes([0, 255, infer_func("ab")[1]]))

def test_data_loader():
    raise AssertionError("this is not called")
"""
TEST_DATA_LOADER = "def test_data_loader(root): return [root[-4:]]"


@pytest.mark.parametrize(
    ("loader", "prediction"),
    [(FEED_INFER, bytes([0, 255, 2])), (TEST_DATA_LOADER, b'[["test"], 1]')],
)
def test_to_be_submitted_it_predicts_what_the_dataset_brings(
    laptop: Script, loader: str, prediction: bytes
) -> None:
    data = laptop.folder / "data"
    data.mkdir()
    (data / "data_loader.py").write_text(loader)
    (laptop.folder / "data_loader.py").write_text("raise AssertionError('this is not it')")
    ended = laptop.run(SERVED, "--mode=test", "--pause=1", NSML_DATASET_PATH=str(data))

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert (laptop.folder / "prediction").read_bytes() == prediction


def test_without_a_dataset_there_is_nothing_to_predict(laptop: Script) -> None:
    ended = laptop.run(SERVED, "--mode", "test", "--pause", "1")

    assert (ended.returncode, ended.stdout) == (1, "")
    assert "FileNotFoundError: --mode test predicts what the dataset's data_loader" in ended.stderr


def test_it_asks_for_what_the_session_starts_from(session: Script, runner: Runner) -> None:
    session.run(SERVED, "--pause", "1", "--iteration", "best")

    assert [message["op"] for message in runner.record()] == ["save", "load"]
    assert runner.received()[1]["start"] is True
