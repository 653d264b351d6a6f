"""A gang loses a node to a drain, its time, or touch with a member: it ends as one, or goes on."""

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
from tests.journeys.test_gangs import runner_of

WORKS = """
import os, pathlib, time
import nsml

print("attempt", os.environ["NSML_ATTEMPT"], "is process", os.getpid(), flush=True)
done = 0

def save(path):
    pathlib.Path(path, "done").write_text(str(done))

def load(path):
    global done
    done = int(pathlib.Path(path, "done").read_text())

nsml.bind(save=save, load=load)
nsml.paused()
while not pathlib.Path(GO).exists():
    done += 1
    if done % 10 == 0 and os.environ["RANK"] == "0":
        nsml.save("latest")
    time.sleep(0.02)
print("done", flush=True)
"""


@pytest.fixture(scope="module")
def ann() -> Iterator[Person]:
    """A person on a platform of two nodes."""
    folder = Path(tempfile.mkdtemp(prefix="nsml-"))
    yield from started(folder, NSML_NODES="2", NSML_GPUS="1", NSML_CPUS="2")
    remove(folder)


def gang(ann: Person, name: str, *words: str) -> tuple[str, Path]:
    """Start a gang, and return it and the file that lets it come to its end."""
    go = ann.folder / f"{name}.go"
    return ann.starts(WORKS.replace("GO", repr(str(go))), "-n", "2", *words, name=name), go


def until_saved(ann: Person, name: str) -> None:
    while not ann.json("show", name)["checkpoints"]:
        time.sleep(0.1)


def processes(ann: Person, name: str) -> list[tuple[int, int]]:
    """Return the attempts and the processes that its code has told of."""
    lines = [line for line in ann.says("logs", name).splitlines() if "is process" in line]
    return [(int(line.split()[-4]), int(line.split()[-1])) for line in lines]


def test_a_gang_leaves_a_node_that_is_drained_and_goes_on_when_there_are_two(ann: Person) -> None:
    name, go = gang(ann, "drained", "-g", "1")
    until_saved(ann, name)
    one = ann.json("ps")[0]
    assert [len(member["devices"]) for member in one["members"]] == [1, 1]
    node = one["members"][1]["node"]
    assert one["node"] != node
    assert node in ann.says("ps").splitlines()[1]

    ann.says("node", "drain", node, "--now")
    ann.wait(name, "Queued")
    (first,) = ann.json("show", name)["attempts"]
    assert all(member["ended"] and not member["lost"] for member in first["members"])
    assert f"node {node} is drained" in ann.says("history", name)
    ann.says("node", "uncordon", node)
    ann.wait(name, "Running")
    go.touch()
    ann.wait(name, "Exited")
    assert sorted(attempt for attempt, _ in processes(ann, name)) == [1, 1, 2, 2]


def test_its_time_limit_ends_all_of_it(ann: Person) -> None:
    name, _ = gang(ann, "limited", "-g", "1", "--time", "2s")
    ann.wait(name, "Failed")

    shown = ann.json("show", name)
    assert shown["outcome"]["time_limit"]
    assert all(member["ended"] for member in shown["attempts"][0]["members"])
    assert [one["session"] for one in ann.json("gpumonitor")] == [None, None]


def test_a_member_out_of_touch_keeps_its_room_until_nothing_of_it_runs(ann: Person) -> None:
    name, go = gang(ann, "apart", "-g", "1", "--restarts", "1")
    until_saved(ann, name)
    os.kill(runner_of(ann, name, 2), signal.SIGSTOP)
    os.kill(runner_of(ann, name, 1), signal.SIGKILL)
    while not ann.json("show", name)["attempts"][0]["members"][0]["lost"]:
        time.sleep(0.1)
    assert [one["session"] for one in ann.json("gpumonitor")].count(name) == 2
    waits = ann.starts("print('has room')", "-g", "1", name="waits")
    assert ann.json("show", waits)["status"] == "Queued"

    os.kill(runner_of(ann, name, 2), signal.SIGCONT)
    while len(ann.json("show", name)["attempts"]) < 2:
        time.sleep(0.1)
    for attempt, process in processes(ann, name):
        assert attempt == 2 or not Path(f"/proc/{process}").exists()
    go.touch()
    ann.wait(name, "Exited")
    ann.wait(waits, "Exited")
    again = ann.starts("print('has room')", "-g", "1", name="waits")
    ann.wait(again, "Exited")
    node = ann.json("show", waits)["node"]
    assert ann.json("why", again)["placed_because"] == f"{node} had its code and packages already"
    assert ann.json("admin", "credit", "audit")["differences"] == []
