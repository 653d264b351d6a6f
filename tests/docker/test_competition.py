"""Scored runs in containers, end to end: what code and evaluation try there, and what follows."""

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker import daemon
from tests.folders import remove
from tests.journeys.conftest import started
from tests.journeys.person import Files, Person, session

LABEL = "label-8203951746028317"
DATA: Files = {
    "train/train_data": "1\n",
    "test/test_data": "1\n",
    "test/test_label": f"{LABEL}\n",
    "data_loader.py": (
        "def feed_infer(output_file, infer_func):\n"
        "    with open(output_file, 'w') as file:\n"
        "        file.write(infer_func(None))\n"
    ),
}
ALONE = """
import os, socket
def alone():
    try:
        socket.create_connection(("127.0.0.1", {port}), timeout=5)
    except ConnectionRefusedError:
        pass
    else:
        raise SystemExit("it reached what listens on the node")
    assert [name for _, name in socket.if_nameindex()] == ["lo"]
    assert not os.path.exists({home!r})
    assert not any("TOKEN" in name for name in os.environ)
def found(*wanted):
    for folder, _, names in os.walk("/"):
        if not folder.startswith(("/proc", "/sys", "/usr", "/nsml/sdk")):
            yield from (os.path.join(folder, name) for name in names if name in wanted)
"""
SCRIPT = """
import nsml
from pathlib import Path
{alone}
def infer(data):
    alone()
    assert not list(found("test_label", "evaluation.py"))
    assert os.listdir("/data/race/test") == os.listdir(nsml.DATASET_PATH + "/test") == ["test_data"]
    return told["what"]

told = {{}}
nsml.bind(
    save=lambda path: Path(path, "what").write_text(told["what"]),
    load=lambda path: told.update(what=Path(path, "what").read_text()),
    infer=infer,
)
nsml.paused()
for told["what"] in ("opens", "forks", "writes", "waits", "dies", "judges"):
    nsml.save(told["what"])
"""
EVALUATION = """
import argparse, os, signal, socket, sys, time
{alone}
def opens():
    socket.create_connection(("127.0.0.1", {port}))
def forks():
    while True:
        os.fork()
def writes():
    full = 0
    try:
        with open(os.path.join("/", "tmp", "much"), "wb") as file:
            file.write(bytes(32 << 20))
    except OSError as error:
        full = error.errno
    assert full == 28
    with open(os.environ["NSML_OUTPUT"] + "/much", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 2 << 30)
    time.sleep(600)
def waits():
    time.sleep(600)
def dies():
    os.kill(os.getpid(), signal.SIGKILL)
def judges():
    alone()
    assert not list(found("main.py", "what", "sdk.sock"))
    return open(config.test_label_path).read() == "{secret}\\n"
parser = argparse.ArgumentParser()
parser.add_argument("--prediction")
parser.add_argument("--test_label_path")
config = parser.parse_args()
print(float(globals()[open(config.prediction).read()]()))
"""
BOARD = "rate: 1/1h\nhold: 1\nevaluation_time: 15\nsandbox: docker\n"
FAILURES = {
    "opens": "The evaluation ended with exit code 1 (ConnectionRefusedError)",
    "forks": "The evaluation ended with exit code 1 (BlockingIOError)",
    "writes": "The evaluation used more memory or disk than it may",
    "waits": "The evaluation did not end within 15 s",
    "dies": "The evaluation was killed by signal 9",
}


@pytest.fixture
def ann(address: str) -> Iterator[Person]:
    """A platform whose other sessions reach all that the node reaches."""
    folder = Path(tempfile.mkdtemp(prefix="nsml-"))
    yield from started(
        folder,
        DOCKER_HOST=address,
        NSML_SANDBOX="docker",
        NSML_IMAGE=daemon.IMAGE,
        NSML_SANDBOX_NETWORK="host",
        NSML_SANDBOX_PROCESSES="32",
        NSML_SANDBOX_TMP="16M",
        NSML_SANDBOX_DISK="64M",
    )
    remove(folder)


def opened(ann: Person, port: int) -> str:
    """Open a board, train for it, and return the session that did."""
    alone = ALONE.format(port=port, home=str(ann.home))
    judge = EVALUATION.format(alone=alone, port=port, secret=LABEL)
    folder = ann.write("race", {**DATA, "evaluation.py": judge, "board.yml": BOARD})
    ann.says("dataset", "push", "race", str(folder), "-l")
    ann.says("board", "create", "race", "-f", str(folder / "board.yml"))
    done = ann.runs(SCRIPT.format(alone=alone), "-d", "race")
    assert done.returncode == 0, done
    return session(done.stdout)


def test_nothing_leaves_a_scored_run_and_what_goes_wrong_costs_nothing(ann: Person) -> None:
    """Each failure is one sentence; the one slot of the hour is there for the last of them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        race = opened(ann, listener.getsockname()[1])
        for checkpoint, sentence in FAILURES.items():
            done = ann.nsml("submit", race, checkpoint)
            assert (done.returncode, done.stderr.count("\n")) == (1, 1), done
            assert sentence in done.stderr
            assert done.stderr.endswith("It costs no submission.\n")
        scored = ann.says("submit", race, "judges")
    assert scored.splitlines()[-2:] == ["Score: 1.0", "Done"]
    mine = ann.json("board", "race", "--mine")
    scores = {one["checkpoint"]: [score["public"] for score in one["scores"]] for one in mine}
    assert scores == {**{name: [] for name in FAILURES}, "judges": [1.0]}
    assert "Rate limit exceeded" in ann.refused("submit", race, "judges", code=1)
    everything = "".join(ann.says("logs", one["submission"]) for one in mine)
    assert LABEL not in everything
