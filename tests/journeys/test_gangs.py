"""Somebody trains on two nodes: both meet, one dies, all of it goes on from its checkpoint."""

import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.folders import remove
from tests.journeys.conftest import started
from tests.journeys.person import Person

TRAINING = """
import os, socket, struct, time
import nsml

RANK, WORLD = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
PLACE = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
FIRST = os.environ["NSML_ATTEMPT"] == "1"
state = {"step": 0, "weight": 0.0}

def save(path):
    with open(os.path.join(path, "state"), "w") as file:
        file.write("%d %r" % (state["step"], state["weight"]))

def load(path):
    step, weight = open(os.path.join(path, "state")).read().split()
    state.update(step=int(step), weight=float(weight))

def meet():
    if RANK == 0:
        return socket.create_server(PLACE).accept()[0]
    while True:
        try:
            return socket.create_connection(PLACE)
        except OSError:
            time.sleep(0.05)

def mean(line, value):
    line.sendall(struct.pack("d", value))
    other = line.recv(8)
    if not other:
        raise ConnectionError("the other member is gone")
    return (value + struct.unpack("d", other)[0]) / WORLD

nsml.bind(save=save, load=load)
if not FIRST:
    nsml.load()
    print("goes on from", state["step"], flush=True)
line = meet()
while state["step"] < 6:
    state["weight"] -= 0.5 * mean(line, state["weight"] - (1.0, 3.0)[RANK])
    state["step"] += 1
    nsml.report(step=state["step"], weight=state["weight"])
    nsml.save(state["step"])
    while FIRST and state["step"] == 3:
        time.sleep(0.1)
print("weight", state["weight"], flush=True)
"""
ALONE = 2 - 2 * 0.5**6
"""What one process comes to that has all of the data, of which each member has a half."""


@pytest.fixture
def ann() -> Iterator[Person]:
    """A person on a platform of two nodes."""
    folder = Path(tempfile.mkdtemp(prefix="nsml-"))
    yield from started(folder, NSML_NODES="2", NSML_GPUS="1", NSML_CPUS="2")
    remove(folder)


def until_step(ann: Person, name: str, step: str) -> None:
    while step not in [one["name"] for one in ann.json("show", name)["checkpoints"]]:
        time.sleep(0.1)


def runner_of(ann: Person, name: str, node: int) -> int:
    """Return the process of the runner of the first attempt on the first or the second node."""
    work = ann.home / "work"
    there = work if node == 1 else work / ".nodes" / str(node)
    return int(json.loads((there / name / "1" / "runner.pid").read_text())["pid"])


def test_a_gang_that_loses_a_member_comes_to_what_one_process_comes_to(ann: Person) -> None:
    name = ann.starts(TRAINING, "-n", "2", "-g", "1", "--restarts", "1")
    until_step(ann, name, "3")
    os.kill(runner_of(ann, name, 2), signal.SIGKILL)
    ann.wait(name, "Exited")

    first, second = ann.json("show", name)["attempts"]
    assert [one["lost"] for one in first["members"]] == ["", "its runner is gone"]
    assert len({one["node"] for one in second["members"]}) == 2
    said = ann.says("logs", name).splitlines()
    assert [line for line in said if line.endswith("goes on from 3")]
    assert [line.rpartition("weight ")[2] for line in said if "weight" in line] == [str(ALONE)] * 2
    of_one = ann.says("logs", name, "--rank", "1").splitlines()
    assert sum("weight" in line for line in of_one) == 1

    stopped = ann.starts(TRAINING, "-n", "2", name="again")
    until_step(ann, stopped, "3")
    ann.says("stop", stopped)
    ann.wait(stopped, "Stopped")
    (tried,) = ann.json("show", stopped)["attempts"]
    assert all(one["ended"] for one in tried["members"])

    folder = ann.write("again", {})
    said_no = ann.refused("run", "-n", "3", "-g", "1", code=1, at=folder)
    assert "Only 2 nodes can hold 1 GPU" in said_no
    assert ann.json("admin", "credit", "audit")["differences"] == []
