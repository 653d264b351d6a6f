"""On which nodes a session's data and image are already: where others with the same have started.

It is a hint, kept in memory: a node may have swept since what it had, and is then only slower.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from nsml_protos.session_pb2 import Spec

V = TypeVar("V")

_SESSIONS = 10_000
_PER_NODE = 200
"""So many things are remembered, the newest."""


@dataclass(frozen=True)
class Wants:
    """What a session needs on its node: trees of data, and an image, or code with its packages."""

    data: frozenset[str]
    image: str


class Nearby:
    """What each node has."""

    def __init__(self) -> None:
        self._wants = OrderedDict[str, Wants]()
        self._nodes = dict[str, OrderedDict[str, None]]()

    def asked(self, session: str, spec: Spec) -> None:
        """Learn what a session needs."""
        data = frozenset(mount.tree for mount in spec.datasets)
        _keep(self._wants, session, Wants(data, spec.image or spec.code_tree), _SESSIONS)

    def started(self, session: str, nodes: Iterable[str]) -> None:
        """Learn that nodes have all that a session needs."""
        wants = self._wants.get(session)
        if wants is None:
            return
        for name in nodes:
            there = self._nodes.setdefault(name, OrderedDict())
            for each in (*wants.data, wants.image):
                _keep(there, each, None, _PER_NODE)

    def of(self, session: str) -> Mapping[str, int]:
        """Return the nodes that have its data and its image, 2, or one of both, 1."""
        wants = self._wants.get(session)
        if wants is None:
            return {}
        has = {
            name: (bool(wants.data) and wants.data <= there.keys()) + (wants.image in there)
            for name, there in self._nodes.items()
        }
        return {name: much for name, much in has.items() if much}


def _keep(there: "OrderedDict[str, V]", name: str, value: V, most: int) -> None:
    there[name] = value
    there.move_to_end(name)
    if len(there) > most:
        there.popitem(last=False)
