"""How long the commands take that people type most, whole process, beside one bare import."""

import sys
from collections.abc import Sequence

from bench.figures import Figure, Goal, Row, median
from bench.home import NSML, code, running
from bench.timing import interleaved

_SESSIONS = 100
_TIMES = 21
_BASE = "python -c 'import grpc'"
_MEASURED = ("nsml ps, 100 sessions", "nsml --help")


def measure() -> Row:
    commands: dict[str, Sequence[str]] = {
        _BASE: [sys.executable, "-c", "import grpc"],
        _MEASURED[0]: [NSML, "ps"],
        _MEASURED[1]: [NSML, "--help"],
        "python -c pass": [sys.executable, "-c", "pass"],
    }
    with running(cpus=1) as platform, code("import time\ntime.sleep(600)\n") as folder:
        for _ in range(_SESSIONS):
            platform.nsml("run", folder=folder)
        taken = interleaved(commands, _TIMES, platform.environment)
        platform.nsml("stop", "*/*/*")
    base = median(taken[_BASE])
    ratios = [
        Figure(f"{name}, for each {_BASE}", median(taken[name]) / base, "ratio", Goal("≤", 1.5))
        for name in _MEASURED
    ]
    times = [Figure(name, 1000 * median(values), "ms") for name, values in taken.items()]
    return Row([*ratios, *times], taken)
