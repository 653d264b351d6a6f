"""A competition from push to reveal, typed as its owner and its contestants type it."""

import csv
import io
import json
import subprocess
import sys

import pytest

from tests.journeys.documented import fields
from tests.journeys.person import Files, Person, content, session

DATA: Files = {
    "train/train_data": "1\n2\n3\n",
    "test/test_data": "1\n2\n3\n4\n",
    "test/test_label": "1\n0\n1\n1\n",
    "test_submit/test_data": "5\n6\n",
    "test_submit/test_label": "1\n0\n",
    "data_loader.py": (
        "import os\n"
        "from nsml import DATASET_PATH\n"
        "def feed_infer(output_file, infer_func):\n"
        "    with open(os.path.join(DATASET_PATH, 'test', 'test_data')) as file:\n"
        "        found = infer_func([int(line) for line in file])\n"
        "    with open(output_file, 'w') as file:\n"
        "        file.write(''.join(f'{one}\\n' for one in found))\n"
    ),
}
EVALUATION = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument('--prediction')
parser.add_argument('--test_label_path')
config = parser.parse_args()
told, truth = [open(path).read().split() for path in (config.prediction, config.test_label_path)]
print('compared', len(truth))
print(sum(a == b for a, b in zip(told, truth)) / len(truth))
"""
SCRIPT = """
import argparse, os
import nsml
from pathlib import Path

args = argparse.ArgumentParser()
args.add_argument('--pause', type=int, default=0)
args.add_argument('--mode', type=str, default='train')
args.add_argument('--iteration', type=str, default='0')
config = args.parse_args()

def infer(data):
    if data == 'how?':
        raise ValueError('no numbers')
    return [one % 2 for one in data]

nsml.bind(
    save=lambda path: Path(path, 'model').write_text('odd'),
    load=lambda path: print(Path(path, 'model').read_text()),
    infer=infer,
)
if config.pause:
    nsml.paused(scope=locals())
print(sorted(path.name for path in Path(nsml.DATASET_PATH).iterdir()))
nsml.save(3)
"""
BOARD = "metric: accuracy\nrate: 1/1h\nhold: 1\npublic_share: 0.5\n"


@pytest.fixture(scope="module")
def race(machine: Person) -> str:
    """A board on a dataset that ann has pushed, and a session that trained on it."""
    folder = machine.write("race", {**DATA, "evaluation.py": EVALUATION, "board.yml": BOARD})
    machine.says("dataset", "push", "race", str(folder), "-l", "-e", str(folder / "evaluation.py"))
    machine.says("board", "create", "race", "-f", str(folder / "board.yml"))
    done = machine.runs(SCRIPT, "-d", "race", name="racer")
    assert "['board.yml', 'data_loader.py', 'train']" in done.stdout
    return session(done.stdout)


def test_a_competition(ann: Person, race: str) -> None:
    pulls(ann)
    submits(ann, race)
    submission = sees(ann, race)
    is_kept_out(ann, race, submission)
    judges_again(ann)
    tries_a_sample(ann)


def pulls(ann: Person) -> None:
    """Nothing of the test split comes back."""
    ann.says("dataset", "pull", "race", "here")
    assert set(content(ann.folder / "here")) == {"board.yml", "data_loader.py", "train/train_data"}


def submits(ann: Person, race: str) -> None:
    scored = ann.says("submit", race, "3").splitlines()
    assert scored[-2].startswith("Score: ")
    assert scored[-1] == "Done"
    refused = ann.refused("submit", race, "3", code=1)
    assert "Rate limit exceeded: remained time: " in refused


def sees(ann: Person, race: str) -> str:
    """Look at the board in every way; return the session that was scored."""
    (row,) = ann.json("board", "race")
    assert set(row) == fields("board NAME")
    assert (row["rank"], row["owner"], row["session"]) == (1, "ann", race)
    (written,) = csv.DictReader(io.StringIO(ann.says("board", "race", "--csv")))
    assert written["score"] == repr(row["score"])
    (mine,) = ann.json("board", "race", "--mine")
    assert set(mine) == fields("board NAME --mine")
    assert (mine["status"], mine["checkpoint"], len(mine["scores"])) == ("Scored", "3", 1)
    assert f"{race}/3" in ann.says("board", "race").splitlines()[1]
    assert "Leaderboard" in ann.says("dataset", "board", "race")
    (listed,) = ann.json("board", "ls", "race")
    assert set(listed) == fields("board ls")
    proof = ann.json("board", "verify", "race")
    assert set(proof) == fields("board verify")
    assert (proof["standings"], proof["problems"]) == ([row], [])
    assert ann.json("board", "overall", "race")[0]["ranks"] == {"race": 1}

    return str(row["submission"])


def is_kept_out(ann: Person, race: str, submission: str) -> None:
    """Nobody looks into the scored run, and what stands behind it stays."""
    logs = ann.says("logs", submission)
    assert "odd" not in logs
    assert "Infer test set takes" in logs
    assert "nobody looks in" in ann.refused("exec", submission, "--", "ls", code=4)
    assert "is behind the best score" in ann.refused("rm", "-f", race, code=1)
    assert "is behind the best score" in ann.refused("model", "rm", race, "3", code=1)
    types = {one["name"]: one["type"] for one in ann.json("ps", "-a", "-d", "race")}
    assert types[submission] == "submit"


def judges_again(ann: Person) -> None:
    """Freeze, mend the evaluation, and reveal."""
    assert ann.says("board", "freeze", "race") == "Board race is frozen\n"
    folder = ann.write("mended", {**DATA, "evaluation.py": EVALUATION + "print(0.25)\n"})
    ann.says("dataset", "push", "race", str(folder), "-l")
    again = ann.nsml("board", "rescore", "race")
    assert again.returncode == 0, again
    assert "is now 0.25" in again.stdout
    (mine,) = ann.json("board", "race", "--mine")
    assert [score["public"] for score in mine["scores"]][1:] == [0.25]
    assert [score["revision"] for score in mine["scores"]] == [1, 2]
    assert ann.says("board", "reveal", "race") == "Board race is revealed\n"
    assert ann.json("board", "race", "--private")[0]["score"] == 0.25


def tries_a_sample(ann: Person) -> None:
    ann.write(".", {"sample": "1\n1\n1\n1\n"})
    tried = ann.nsml("board", "check", "race", "--sample", "sample")
    assert "compared 2" in tried.stdout
    assert "Score: 0.25 (private: 0.25)" in tried.stdout


def test_what_is_missing_is_said(ann: Person) -> None:
    ann.push("bare", {"x": "x"})
    done = ann.nsml("board", "create", "bare")
    assert done.returncode == 1
    assert "Missing: bare@1 was pushed without -l" in done.stderr
    folder = ann.write("no-loader", {"test/test_label": "1", "evaluation.py": ""})
    said = ann.refused("dataset", "push", "bad", str(folder), "-l", code=2)
    assert "A competition needs data_loader.py" in said
    ann.write(".", {"board.yml": "metrik: x\n"})
    assert "metrik" in ann.refused("board", "create", "bare", "-f", "board.yml", code=2)


def test_a_checkpoint_is_asked(ann: Person, race: str) -> None:
    command = [sys.executable, "-m", "nsml_cli", "infer", race, "3"]
    asked = subprocess.run(
        command,
        input='[1, 2]\n"how?"\n[3]\n',
        cwd=ann.folder,
        env=ann.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked
    first, second, third = map(json.loads, asked.stdout.splitlines())
    assert (first, third) == ({"result": [1, 0]}, {"result": [1]})
    assert "ValueError: no numbers" in second["error"]
    ann.write(".", {"questions": "[4]\n"})
    assert json.loads(ann.says("infer", race, "3", "-d", "questions")) == {"result": [0]}
