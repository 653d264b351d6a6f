"""On which nodes a session's data and image are already: where others with the same have started.

It is a hint, kept in memory: a node may have swept since what it had, and is then only slower.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
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
    in_container: bool = False
    """The image was named; else it is made of its code and packages, if there is one."""


class Nearby:
    """What each node has."""

    def __init__(self) -> None:
        self._wants = OrderedDict[str, Wants]()
        self._nodes = dict[str, OrderedDict[str, None]]()

    def asked(self, session: str, spec: Spec) -> None:
        """Learn what a session needs."""
        data = frozenset(mount.tree for mount in spec.datasets)
        wants = Wants(data, spec.image or spec.code_tree, bool(spec.image))
        _keep(self._wants, session, wants, _SESSIONS)

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
        has = {name: sum(_has(wants, there)) for name, there in self._nodes.items()}
        return {name: much for name, much in has.items() if much}

    def had(self, session: str, node: str) -> str:
        """Say what of a session's needs a node has; empty if it has nothing of it."""
        wants = self._wants.get(session)
        if wants is None:
            return ""
        has_data, has_image = _has(wants, self._nodes.get(node, {}))
        image = "its image" if wants.in_container else "its code and packages"
        return " and ".join(["its data"] * has_data + [image] * has_image)


def _has(wants: Wants, there: Collection[str]) -> tuple[bool, bool]:
    """Return whether all data is there, and the image."""
    return bool(wants.data) and all(tree in there for tree in wants.data), wants.image in there


def _keep(there: "OrderedDict[str, V]", name: str, value: V, most: int) -> None:
    there[name] = value
    there.move_to_end(name)
    if len(there) > most:
        there.popitem(last=False)
