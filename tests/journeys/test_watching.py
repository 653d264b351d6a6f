"""Watching sessions of a real platform: their curves, and what they use."""

import time
from typing import Any

from tests.journeys.person import Person

CURVE = """
import nsml
for step in range(300):
    nsml.report(step=step, train__loss=1 / (step + 1), lr=0.1)
"""
BUSY = """
import time
while True:
    time.sleep(0.01)
"""


def test_curves_of_two_sessions_are_drawn_on_one_axis(ann: Person) -> None:
    for _ in range(2):
        assert ann.runs(CURVE).returncode == 0

    names = [one["name"] for one in ann.json("ps", "-a", "-n", "2")]
    drawn = ann.says("plot", *names, "-k", "train/*")

    assert drawn.splitlines()[0].split() == ["train/loss", "step"]
    assert all(f"{name}  0.003333  (0.003333 to 1)" in drawn for name in names)
    assert [len(one["values"]) for one in ann.json("plot", *names, "-k", "lr")] == [300, 300]
    said = ann.refused("plot", names[0], "-k", "acc", code=3)
    assert said == "Error: No series matches: there is lr, train/loss."


def test_what_a_session_uses_is_seen_while_it_runs(ann: Person) -> None:
    name = ann.starts(BUSY)

    while not (used := usage(ann, name)):
        time.sleep(0.1)
    assert used["memory_bytes"] > 1_000_000
    assert name in ann.says("top", "--once")
    ann.says("stop", name)


def usage(person: Person, name: str) -> Any:
    shown = person.json("top")["sessions"]
    return next(one["usage"] for one in shown if one["name"] == name)
