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


def test_the_slides(ann: Person) -> None:
    data = ann.write("t1-cmd", {**DATA, "evaluation.py": EVALUATION})
    ann.says("dataset", "push", "t1-cmd", str(data), "-l")
    ann.write(".", {"board.yml": "metric: cer\ndirection: lower\nhold: 1\npublic_share: 0.5\n"})
    ann.says("board", "create", "t1-cmd", "-f", "board.yml")
    baseline = ann.write("baseline", {"main.py": SCRIPT})

    # 실행 (예, CLI, mac 1/2): run
    started = ann.says("run", "-d", "t1-cmd", "-e", "main.py", "-g", "1", "-c", "4", at=baseline)
    assert started == "Session ann/t1-cmd/1 is started\n"
    ann.wait("ann/t1-cmd/1", "Exited")

    # 2/2: ps, model ls
    titles, row = ann.says("ps", "-a", "-d", "t1-cmd").splitlines()
    assert titles.split() == [
        *("Name", "Created", "Args", "Status", "Summary", "Description", "#Models", "Size", "Type")
    ]
    assert row.split()[-1] == "normal"
    titles, row = ann.says("model", "ls", "ann/t1-cmd/1").splitlines()
    assert titles.split() == ["Checkpoint", "Last", "Modified", "Elapsed", "Summary", "Size"]
    assert row.split()[0] == "0"

    # submit -t: as any session, with its output
    rehearsed = ann.says("submit", "-t", "ann/t1-cmd/1", "0")
    assert "Session ann/t1-cmd/2 is started\n" in rehearsed
    assert re.search(r"^\.Infer test set takes [\d.]+ seconds$", rehearsed, re.MULTILINE)
    assert rehearsed.endswith(".Done\nYou can see session log using [nsml logs ann/t1-cmd/2]\n")
    assert "inference of 2" in ann.says("logs", "ann/t1-cmd/2")
    types = {one["name"]: one["type"] for one in ann.json("ps", "-a", "-d", "t1-cmd")}
    assert types["ann/t1-cmd/2"] == "submit(test)"
    ann.says("stop", "ann/t1-cmd/2")
    assert ann.says("rm", "-f", "ann/t1-cmd/2") == "Session ann/t1-cmd/2 is removed\n"

    # submit: on the board, and nothing of its output
    scored = ann.says("submit", "ann/t1-cmd/1", "0")
    for line in (
        "Building docker image. It may take a while",
        r"\.+ann/t1-cmd/3: Session ready",
        "ann/t1-cmd/3: Load model",
        r"load nsml model takes [\d.]+ seconds",
        r"\.Infer test set\. The inference should be completed within 3600 seconds\.",
        r"Score: [\d.]+",
        "Done",
    ):
        assert re.search(f"^{line}$", scored, re.MULTILINE), line
    assert "inference of" not in ann.says("logs", "ann/t1-cmd/3")
    one = ann.json("show", "ann/t1-cmd/3")
    assert (one["gpus"], one["cpus"], one["type"]) == (1, 4, "submit")

    # the boards: public, private once revealed, one's own, over several
    assert ann.json("board", "t1-cmd", "--public")[0]["session"] == "ann/t1-cmd/1"
    assert ann.json("board", "t1-cmd", "--private")[0]["rank"] == 1  # its owner's to see
    assert len(ann.json("board", "t1-cmd", "--mine")) == 1
    assert ann.json("board", "overall", "t1-cmd")[0]["owner"] == "ann"

    # one an hour from the success on; what the best score stands on is kept
    assert "Rate limit exceeded: remained time: " in ann.refused(
        "submit", "ann/t1-cmd/1", "0", code=1
    )
    assert "behind the best score" in ann.refused("rm", "-f", "ann/t1-cmd/1", code=1)
    removed = ann.says("rm", "-f", "--scored", "ann/t1-cmd/1")
    assert removed == "Session ann/t1-cmd/1 is removed\n"
