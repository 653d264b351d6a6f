"""Two share four GPUs: who is urgent goes first, who makes room goes on, a node is emptied."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.platform.platforms import Platform, eventually, platform

TRAINING = """
import pathlib, sys, time
import nsml

done = 0

def save(folder):
    (pathlib.Path(folder) / "done").write_text(str(done))

def load(folder):
    global done
    done = int((pathlib.Path(folder) / "done").read_text())

nsml.bind(save=save, load=load)
nsml.paused()
print("from", done, flush=True)
while not pathlib.Path(sys.argv[1]).exists():
    done += 1
    if done % 10 == 0:
        nsml.save("latest")
    time.sleep(0.02)
print("done", flush=True)
"""


@pytest.fixture
def four() -> Iterator[Platform]:
    with platform(NSML_GPUS="4", NSML_CPUS="8") as found:
        yield found


def queue(here: Platform) -> list[str]:
    return [line["session"] for line in here.json("queue")]


@pytest.fixture
def go(four: Platform) -> Path:
    """Once it is there, all come to their end."""
    return four.folder / "go"


def run(here: Platform, go: Path, *words: str) -> str:
    code = here.code(TRAINING)
    return str(here.nsml("run", "-a", str(go), *words, code=code).stdout.split()[1])


def test_room_is_made_and_given_back(four: Platform, go: Path) -> None:
    low = run(four, go, "-g", "4", "--priority", "low", "-m", "patient")
    eventually(lambda: four.show(low)["checkpoints"])
    urgent = run(four, go, "-g", "2")
    follower = run(four, go, "-g", "0", "--after", urgent, "--time", "1h")

    # The urgent one has the room, and the patient one waits with what it had done.
    four.until(urgent, "Running")
    assert queue(four) == [low, follower]
    told = four.nsml("history", low).stdout
    assert f"asked to make room: its room is needed by {urgent}" in told
    assert "waits for room again, to go on from checkpoint latest" in told
    assert eventually(lambda: four.json("why", low)["waits"][-1]["holders"]) == [urgent]
    devices = four.json("gpumonitor")
    assert [device["session"] for device in devices].count(urgent) == 2

    # It ends, who was to follow it follows, and the patient one goes on where it was.
    go.touch()
    four.until_ended(urgent)
    four.until_ended(follower)
    assert four.until_ended(low)["status"] == "Exited"
    froms = [line for line in four.nsml("logs", low).stdout.splitlines() if line[:4] == "from"]
    assert froms[0] == "from 0"
    assert int(froms[1].split()[1]) >= 10
    assert four.json("admin", "credit", "audit")["differences"] == []

    # A node that is emptied at once gives its sessions back to the queue.
    go.unlink()
    _is_emptied(four, go)


def _is_emptied(here: Platform, go: Path) -> None:
    last = run(here, go, "-g", "1")
    eventually(lambda: here.show(last)["checkpoints"])
    (node,) = [one["name"] for one in here.json("node", "ls")]
    assert "is drained" in here.nsml("node", "drain", node, "--now").stdout
    eventually(lambda: queue(here) == [last])
    assert [one["state"] for one in here.json("node", "ls")] == ["draining"]
    go.touch()
    here.nsml("node", "uncordon", node)
    assert here.until_ended(last)["status"] == "Exited"
    assert len(here.show(last)["attempts"]) == 2
    assert here.nsml("node", "rm", node, check=False).returncode != 0
