"""How tests are handed to workers: what shares a platform together, and what takes long first."""

from pathlib import PurePosixPath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadGroupScheduling
from xdist.workermanage import WorkerController

_SHARED = {
    "client": "client",
    "history": "history",
    "journeys": "journeys",
    "platform": "platform",
    "scaleout/test_takeover.py": "takeover",
    "tls": "tls",
    "web": "web",
}
"""Whose tests share a platform: each further worker would start one more, which takes seconds."""

_LONGEST_FIRST = ("journeys", "web", "history", "platform", "faults", "scaleout")
"""Folders to begin with: whoever takes up one of these last would have the others wait."""


def order(items: list[pytest.Item]) -> None:
    """Put what takes long first; tests of one folder stay in their order."""
    places = {name: at for at, name in enumerate(_LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(_file(item.nodeid).parts[0], len(places)))


def _file(nodeid: str) -> PurePosixPath:
    """Return the file of a test, as seen from the folder of all tests."""
    return PurePosixPath(nodeid.partition("::")[0].removeprefix("tests/"))


class Scheduling(LoadGroupScheduling):
    """Hands out, in order, tests and what shares a platform; on where a worker has died."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        file = _file(nodeid)
        for place in (str(file), file.parts[0]):
            if place in _SHARED:
                return _SHARED[place]
        return str(super()._split_scope(nodeid))

    def remove_node(self, node: WorkerController) -> str | None:
        """Take a worker away; return the test in which it died.

        What it had left is handed on, and not what it had done. The library queues that too;
        nothing of it is run, so nothing ends, and with two of them all wait for good (seen with
        3.8.0).
        """
        assigned = self.assigned_work[node]
        for scope in [scope for scope, unit in assigned.items() if all(unit.values())]:
            del assigned[scope]
        return super().remove_node(node)
