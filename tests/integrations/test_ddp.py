"""DistributedDataParallel comes to the same on one node and on two, also after a member is lost."""

import pytest

from tests.history.training import kill_runner, points, saved, until
from tests.integrations.examples import forked, ran, script
from tests.journeys.person import Person, session

LOSS = "train/loss"
HELD = """
import os, time
import main, nsml

save = nsml.save

def save_and_wait(epoch):
    save(epoch)
    while epoch == 2 and os.environ["NSML_ATTEMPT"] == "1":
        time.sleep(0.1)

nsml.save = save_and_wait
main.main()
"""
"""Waits to be killed: rank 0 here, and the others for what it has to say to them."""


@pytest.fixture(scope="module")
def alone(bea: Person, frameworks: str) -> str:
    """The run on one node that others are compared with."""
    return ran(bea, frameworks, "ddp", "-a", "--epochs 4")


def equal(ann: Person, one: str, other: str, since: int = 0) -> None:
    """Assert that the losses are the same but for the order in which doubles were added up."""
    steps, losses = points(ann, one, LOSS)
    assert steps == list(range(1, 17))
    assert losses[-1] < losses[0] / 3
    steps_of_other, losses_of_other = points(ann, other, LOSS)
    assert steps_of_other == steps[since:]
    assert losses_of_other == pytest.approx(losses[since:], rel=1e-12)


def begins(ann: Person, name: str, rank: str, step: int, points_each: int) -> None:
    said = ann.says("logs", name, "--rank", rank).splitlines()
    assert f"rank {rank} begins at step {step}, {points_each} points each" in said


def test_two_nodes_come_to_what_one_comes_to(bea: Person, frameworks: str, alone: str) -> None:
    both = ran(bea, frameworks, "ddp", "-n", "2", "-a", "--epochs 4")
    rest = forked(bea, both, "-c", "2", "-n", "1")

    begins(bea, alone, "0", 0, 16)
    begins(bea, both, "0", 0, 8)
    begins(bea, both, "1", 0, 8)
    begins(bea, rest, "0", 8, 16)
    equal(bea, alone, both)
    equal(bea, alone, rest, since=8)
    assert saved(bea, both) == ["1", "2", "3", "4"]


def test_a_member_that_is_lost_costs_nothing(bea: Person, frameworks: str, alone: str) -> None:
    code = bea.write("held", {"main.py": script("ddp"), "held.py": HELD})
    words = ("-n", "2", "--restarts", "1", "-a", "--epochs 4", "--env", f"PYTHONPATH={frameworks}")
    both = session(bea.says("run", "-g", "0", "-e", "held.py", *words, at=code))
    until(lambda: saved(bea, both) == ["1", "2"])
    kill_runner(bea, both)
    bea.wait(both, "Exited")

    assert len(bea.json("show", both)["attempts"]) == 2
    begins(bea, both, "0", 8, 8)
    begins(bea, both, "1", 8, 8)
    equal(bea, alone, both)
