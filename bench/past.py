"""How long people wait for the past: whole commands, in a log of a million events."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime

from bench import lives, million
from bench.figures import Figure, Goal, Row, median
from bench.home import NSML, Platform
from bench.timing import interleaved

_TIMES = 11
_BASE = "python -c 'import grpc'"
_LAST = "100"


def measure() -> Row:
    platform = million.platform()
    taken = interleaved(_commands(platform), _TIMES, platform.environment)
    figures = [
        Figure(name, median(values), "s", None if name == _BASE else Goal("≤", 0.3))
        for name, values in taken.items()
    ]
    return Row(figures, taken)


def _commands(platform: Platform) -> dict[str, Sequence[str]]:
    newest = json.loads(platform.nsml("ps", "-a", "-n", "1", "--json"))
    lasted = datetime.fromisoformat(newest[0]["created"]) - lives.BEGAN
    parts = (("middle", 0.5), ("end", 0.98))
    times = {name: (lives.BEGAN + part * lasted).isoformat() for name, part in parts}
    lists = {f"nsml ps --at the {name}": [NSML, "ps", "--at", at] for name, at in times.items()}
    return {
        _BASE: [sys.executable, "-c", "import grpc"],
        "nsml history, 1,000 events": [NSML, "history", lives.LONG],
        **lists,
        f"nsml ps -a -n {_LAST} --at the middle": [
            *(NSML, "ps", "-a", "-n", _LAST, "--at", times["middle"])
        ],
        "nsml ps": [NSML, "ps"],
    }
