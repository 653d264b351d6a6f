"""The tutorial of the AI hackathon of 2018, step by step: what it shows typed is typed here."""

import re

from tests.eras.eras import ERAS
from tests.journeys.person import Person

EVALUATION = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument('--prediction', type=str, default='pred.txt')
parser.add_argument('--test_label_path', type=str)
config = parser.parse_args()
told = [line.split()[1] for line in open(config.prediction)]
truth = [line.strip() for line in open(config.test_label_path)]
print(sum(a == b for a, b in zip(told, truth)) / len(truth))
"""


KIN = next(era for era in ERAS if era.name == "kin_2018")
NAME = "ann/kin_phase1/2"
CUDA = "    def cuda(self):\n        return self\n\n    def state_dict"
"""Two GPUs are declared here, and there are none."""


def test_the_tutorial(ann: Person) -> None:
    data = ann.write("kin", {**KIN.data(), "test/test_label": "1\n1\n"})
    ann.write(".", {"evaluation.py": EVALUATION, "board.yml": "hold: 1\n"})
    ann.says("dataset", "push", "kin_phase1", str(data), "-l", "-e", "evaluation.py")
    ann.says("board", "create", "kin_phase1", "-f", "board.yml")

    looks_around(ann)
    runs(ann)
    submits(ann)
    stops_resumes_and_forks(ann)
    removes(ann)


def looks_around(ann: Person) -> None:
    """명령어 사용하기: the list, the help of one, credit, dataset."""
    assert "submit" in ann.says()
    assert "--entry" in ann.says("run", "--help")
    assert re.match(r"User : ann credit [\d.]+\n", ann.says("credit"))
    assert "kin_phase1" in ann.says("dataset", "ls")
    assert "kin_phase1" in ann.says("dataset", "search", "kin_*")


def runs(ann: Person) -> None:
    """Type run, also with an argument, logs and ps."""
    script = KIN.code()
    script["main.py"] = script["main.py"].replace("    def state_dict", CUDA)
    code = ann.write("code", script)
    said = ann.says("run", "-d", "kin_phase1", "-g", "2", "-e", "main.py", at=code)
    assert said == "Session ann/kin_phase1/1 is started\n"
    ann.wait("ann/kin_phase1/1", "Exited")
    ann.says("run", "-d", "kin_phase1", "-g", "2", "-e", "main.py", "-a", "--epochs 3", at=code)
    ann.wait(NAME, "Exited")
    assert "epoch: 2  train_loss:" in ann.says("logs", NAME)

    assert ann.json("ps", "-d", "kin_phase1") == []
    assert len(ann.json("ps", "-a", "-d", "kin_phase1")) == 2
    assert len(ann.json("ps", "-a", "-d", "kin_phase1", "-n", "1")) == 1


def submits(ann: Person) -> None:
    """Type submit, and look at the leaderboard."""
    scored = ann.says("submit", NAME, "2")
    assert re.search(r"^Score: 0\.5\nDone\n", scored, re.MULTILINE)
    titles, row = ann.says("board", "kin_phase1").splitlines()
    assert titles.split() == ["Rank", "Name", "Score", "Model", "Count", "Last", "Submit"]
    assert row.split()[:5] == ["1", "ann", "0.5", f"{NAME}/2", "1"]


def stops_resumes_and_forks(ann: Person) -> None:
    assert ann.says("stop", NAME) == f"Session {NAME} had ended\n"
    assert ann.says("resume", NAME) == f"Session {NAME} is resumed\n"
    ann.wait(NAME, "Exited")
    fork = ann.says("fork", NAME, "-a", "--lr 0.02").split()[1]
    ann.wait(fork, "Exited")
    shown = {one["name"]: one["parent"] for one in ann.json("ps", "-a", "-d", "kin_phase1")}
    assert shown[fork]["session"] == NAME


def removes(ann: Person) -> None:
    """Type rm, with * and ?."""
    assert ann.says("rm", "ann/kin_phase1/1*") == "Session ann/kin_phase1/1 is removed\n"
    kept = ann.nsml("rm", "ann/kin_phase1/?")
    assert kept.returncode == 1
    assert "behind the best score of ann on kin_phase1" in kept.stderr
    left = {one["name"] for one in ann.json("ps", "-a", "-d", "kin_phase1")}
    assert left == {NAME, "ann/kin_phase1/3"}
