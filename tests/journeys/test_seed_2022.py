"""The slides of the Korean AI competition of 2022, step by step: what they show is seen."""

import re

from tests.journeys.person import Person
from tests.journeys.test_competition import DATA, EVALUATION

SCRIPT = """
import argparse, os
import nsml

parser = argparse.ArgumentParser()
parser.add_argument('--mode', type=str, default='train')
parser.add_argument('--iteration', type=str, default='0')
parser.add_argument('--pause', type=int, default=0)
config = parser.parse_args()
model = {'weight': 0}

def save(path, *args, **kwargs):
    with open(os.path.join(path, 'model.pt'), 'w') as f:
        f.write(str(model['weight']))

def load(path, *args, **kwargs):
    with open(os.path.join(path, 'model.pt')) as f:
        model['weight'] = int(f.read())

def inference(data, **kwargs):
    print('inference of', len(data))
    return [one % model['weight'] for one in data]

nsml.bind(save=save, load=load, infer=inference)
if config.pause:
    nsml.paused(scope=locals())
if config.mode == 'train':
    model['weight'] = 2
    nsml.report(summary=True, epoch=0, train_loss=2.8, val_cer=0.95, step=0)
    nsml.save(0)
"""


RUN = ("run", "-d", "t1-cmd", "-e", "main.py", "-g", "1", "-c", "8")
TRAINED = "ann/t1-cmd/1"
SCORED = (
    "Building docker image. It may take a while",
    r"\.+ann/t1-cmd/3: Session ready",
    "ann/t1-cmd/3: Load model",
    r"load nsml model takes [\d.]+ seconds",
    r"\.Infer test set\. The inference should be completed within 3600 seconds\.",
    r"Score: [\d.]+",
    "Done",
)


def test_the_slides(ann: Person) -> None:
    data = ann.write("t1-cmd", {**DATA, "evaluation.py": EVALUATION})
    ann.says("dataset", "push", "t1-cmd", str(data), "-l")
    ann.write(".", {"board.yml": "metric: cer\ndirection: lower\nhold: 1\npublic_share: 0.5\n"})
    ann.says("board", "create", "t1-cmd", "-f", "board.yml")

    trains(ann)
    rehearses(ann)
    submits(ann)
    looks_at_the_boards(ann)
    keeps_what_is_best(ann)


def trains(ann: Person) -> None:
    """실행 (예, CLI, mac): run, ps, model ls."""
    baseline = ann.write("baseline", {"main.py": SCRIPT})
    assert ann.says(*RUN, at=baseline) == f"Session {TRAINED} is started\n"
    ann.wait(TRAINED, "Exited")
    titles, row = ann.says("ps", "-a", "-d", "t1-cmd").splitlines()
    assert titles.split() == [
        *("Name", "Created", "Args", "Status", "Summary", "Description", "#Models", "Size", "Type")
    ]
    assert row.split()[-1] == "normal"
    titles, row = ann.says("model", "ls", TRAINED).splitlines()
    assert titles.split() == ["Checkpoint", "Last", "Modified", "Elapsed", "Summary", "Size"]
    assert row.split()[0] == "0"


def rehearses(ann: Person) -> None:
    """Type submit -t: it is as any session, with its output, and is removed."""
    said = ann.says("submit", "-t", TRAINED, "0")
    assert "Session ann/t1-cmd/2 is started\n" in said
    assert re.search(r"^\.Infer test set takes [\d.]+ seconds$", said, re.MULTILINE)
    end = ".Done\nYou can see session log using [nsml logs ann/t1-cmd/2]\n"
    assert said.endswith(end)
    assert "inference of 2" in ann.says("logs", "ann/t1-cmd/2")
    types = {one["name"]: one["type"] for one in ann.json("ps", "-a", "-d", "t1-cmd")}
    assert types["ann/t1-cmd/2"] == "submit(test)"
    ann.says("stop", "ann/t1-cmd/2")
    assert ann.says("rm", "-f", "ann/t1-cmd/2") == "Session ann/t1-cmd/2 is removed\n"


def submits(ann: Person) -> None:
    """Type submit: it is on the board, and nothing is seen of its output."""
    said = ann.says("submit", TRAINED, "0")
    assert [line for line in SCORED if not re.search(f"^{line}$", said, re.MULTILINE)] == []
    assert "inference of" not in ann.says("logs", "ann/t1-cmd/3")
    one = ann.json("show", "ann/t1-cmd/3")
    assert (one["gpus"], one["cpus"], one["type"]) == (1, 4, "submit")  # of 8 that it trained on


def looks_at_the_boards(ann: Person) -> None:
    """In public, in private (which is its owner's to see), one's own, over several."""
    assert ann.json("board", "t1-cmd", "--public")[0]["session"] == TRAINED
    assert ann.json("board", "t1-cmd", "--private")[0]["rank"] == 1
    assert len(ann.json("board", "t1-cmd", "--mine")) == 1
    assert ann.json("board", "overall", "t1-cmd")[0]["owner"] == "ann"


def keeps_what_is_best(ann: Person) -> None:
    """One an hour from the success on; what the best score stands on is kept."""
    limit = ann.refused("submit", TRAINED, "0", code=1)
    assert "Rate limit exceeded: remained time: " in limit
    assert "behind the best score" in ann.refused("rm", "-f", TRAINED, code=1)
    assert ann.says("rm", "-f", "--scored", TRAINED) == f"Session {TRAINED} is removed\n"
