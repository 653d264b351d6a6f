"""A competition from push to reveal, typed as its owner and its contestants type it."""

from collections.abc import Iterator

import pytest

from tests.journeys.person import Files, Person, session

DATA: Files = {
    "train/train_data": "1\n2\n3\n",
    "test/test_data": "1\n2\n3\n4\n",
    "test/test_label": "1\n0\n1\n0\n",
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
import argparse, os, sys
import nsml

args = argparse.ArgumentParser()
args.add_argument('--pause', type=int, default=0)
args.add_argument('--mode', type=str, default='train')
args.add_argument('--iteration', type=str, default='0')
config = args.parse_args()
state = {}

def save(path):
    with open(os.path.join(path, 'model'), 'w') as file:
        file.write('odd')

def load(path):
    with open(os.path.join(path, 'model')) as file:
        state['kind'] = file.read()

def infer(data):
    print('secret', data, file=sys.stderr)
    nsml.report(step=1, summary=True, seen=sum(data) if isinstance(data, list) else data)
    if os.environ.get('BROKEN'):
        raise ValueError(f'secret {data}')
    return [one % 2 for one in data]

nsml.bind(save=save, load=load, infer=infer)
if config.pause:
    nsml.paused(scope=locals())
nsml.save(3)
"""
BOARD = "metric: accuracy\nrate: 2/1h\nhold: 1\npublic_share: 0.5\n"


@pytest.fixture
def race(ann: Person) -> Iterator[str]:
    """A board on a dataset that ann has pushed, and a session that trained on it."""
    folder = ann.write("data", {**DATA, "evaluation.py": EVALUATION})
    ann.says("dataset", "push", "race", str(folder), "-l", "-e", str(folder / "evaluation.py"))
    ann.write(".", {"board.yml": BOARD})
    yield "race"


def test_a_competition(ann: Person, race: str) -> None:
    assert ann.says("board", "create", race, "-f", "board.yml") == "Board race is open\n"
    trained = session(ann.runs(SCRIPT, "-d", race).stdout)

    rehearsed = ann.says("submit", "-t", trained, "3")
    print(rehearsed)
    scored = ann.nsml("submit", trained, "3")
    print(scored)
    assert scored.stdout.endswith("Score: 1.0\nDone\n")
    print(ann.says("board", race))
    print(ann.says("ps", "-a"))
