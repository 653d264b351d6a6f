"""What a fork costs of a session with a checkpoint of 1 GB, beside one with one of 1 kB."""

import subprocess
import time
from pathlib import Path

from bench.figures import Figure, Goal, Row, median
from bench.home import NSML, Platform, code, running
from bench.timing import interleaved

_TIMES = 15
_STARTS = 5
_SIZES = {"1 GB": 10**9, "1 kB": 10**3}
_SOURCE = """\
import os
import sys
import time

import nsml

def save(path):
    with open(os.path.join(path, "state"), "wb") as file:
        for _ in range(size // 1000):
            file.write(os.urandom(1000))

size = int(sys.argv[1])
nsml.bind(save=save, load=lambda path: open(os.path.join(path, "state"), "rb").read(1000))
if not size:
    time.sleep(600)
elif "--pause" in sys.argv:
    nsml.paused()
else:
    nsml.save(1)
print(time.time_ns(), flush=True)
"""


def measure() -> Row:
    with running(cpus=1) as platform, code(_SOURCE) as folder:
        parents = {name: _train(platform, folder, size) for name, size in _SIZES.items()}
        started: dict[str, list[float]] = {name: [] for name in parents}
        for _ in range(_STARTS):
            for name, parent in parents.items():
                started[name].append(_start(platform, parent))
        _run(platform, folder, 0)  # keeps the one core busy: what is forked now waits
        commands = {name: [NSML, "fork", parent] for name, parent in parents.items()}
        forked = interleaved(commands, _TIMES, platform.environment)
        platform.nsml("stop", "*/*/*")
    return Row(
        [
            Figure("nsml fork, 1 GB for each 1 kB", _ratio(forked), "ratio", Goal("≤", 1.1)),
            *(Figure(f"nsml fork, {name}", median(forked[name]), "s") for name in forked),
            Figure("nsml fork -f, to its checkpoint loaded", _ratio(started), "ratio"),
            *(Figure(f"the same, {name}", median(started[name]), "s") for name in started),
        ],
        {**forked, **{f"{name}, started": values for name, values in started.items()}},
    )


def _ratio(taken: dict[str, list[float]]) -> float:
    large, small = taken.values()
    return median(large) / median(small)


def _run(platform: Platform, folder: Path, size: int, *words: str) -> str:
    platform.nsml("run", *words, "-e", "main.py", "-a", str(size), folder=folder)
    return platform.nsml("ps", "-a", "-q").split()[0]


def _train(platform: Platform, folder: Path, size: int) -> str:
    """Run a session to its end that saves a checkpoint of this size, and return its name."""
    return _run(platform, folder, size, "-f")


def _start(platform: Platform, parent: str) -> float:
    """Return how long it takes from the typed command until the fork has loaded its checkpoint."""
    start = time.time_ns()
    command = [NSML, "fork", "-f", parent]
    done = subprocess.run(
        command, env=platform.environment, check=True, capture_output=True, text=True
    )
    line = next(line for line in done.stdout.splitlines() if line.strip().isdigit())
    return (int(line) - start) / 1e9
