"""How long a gang of two takes from its placement until the code of both runs, beside one start."""

import json
from datetime import datetime
from pathlib import Path

from bench.figures import Figure, Goal, Row, median
from bench.home import Platform, code, running

_TIMES = 11
_SOURCE = "import time\n\nprint(time.time_ns(), flush=True)\n"
_NODES = {"NSML_NODES": "2", "NSML_GPUS": "1"}


def measure() -> Row:
    """Start one, and a gang, in turns; the first of each is not counted: caches are cold."""
    kinds = {"one": 1, "gang": 2}
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    with running(cpus=4, settings=_NODES) as platform, code(_SOURCE) as folder:
        for _ in range(_TIMES + 1):
            for name, nodes in kinds.items():
                taken[name].append(_start(platform, folder, nodes))
    one, gang = (taken[name][1:] for name in kinds)
    return Row(
        [
            Figure(
                "gang of two, placed until both run, in single starts",
                median(gang) / median(one),
                "ratio",
                Goal("≤", 3),
            ),
            Figure("the same", median(gang), "s"),
            Figure("one: placed to its code runs", median(one), "s"),
        ],
        {"gang_s": gang, "one_s": one},
    )


def _start(platform: Platform, folder: Path, nodes: int) -> float:
    """Run a session to its end; return how long after its placement the last of it began."""
    words = ("run", "-f", "-g", "1", "-c", "1", "-n", str(nodes), "-e", "main.py")
    platform.nsml(*words, folder=folder)
    name = platform.nsml("ps", "-a", "-q", "-n", "1").strip()
    placed = json.loads(platform.nsml("show", name, "--json"))["attempts"][-1]["placed"]
    told = platform.nsml("logs", name, "--stdout", "--json").splitlines()
    lines = [json.loads(line)["text"] for line in told]
    if len(lines) != nodes:
        raise RuntimeError(f"{name} printed {lines}, a line for each of {nodes} nodes was due")
    return max(map(int, lines)) / 1e9 - datetime.fromisoformat(placed).timestamp()
