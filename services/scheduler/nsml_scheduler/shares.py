"""How much of the cluster each owner has used, the past counted less the longer ago it is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import log

from nsml_protos.gangs import node_count
from nsml_protos.scheduler_pb2 import Node
from nsml_protos.session_pb2 import Resources

Vector = tuple[float, float, float]
"""GPUs, CPUs, and bytes of memory."""

_NOTHING: Vector = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Interval:
    """Some time in which an owner held room; in seconds since 1970."""

    owner: str
    resources: Resources
    begin: float
    end: float


@dataclass
class Shares:
    """The average that each owner held, weighted by how long ago it is."""

    half_life: float
    _past: dict[str, tuple[float, Vector]] = field(default_factory=dict)

    def add(self, interval: Interval) -> None:
        """Count some time that is over."""
        at, known = self._past.get(interval.owner, (interval.end, _NOTHING))
        now = max(at, interval.end)
        more = self._held(interval, now)
        faded = 0.5 ** ((now - at) / self.half_life)
        total = (known[0] * faded + more[0], known[1] * faded + more[1], known[2] * faded + more[2])
        self._past[interval.owner] = (now, total)

    def averages(self, now: float, running: Iterable[Interval]) -> dict[str, Vector]:
        """Return what each owner held on average, those that run now among it."""
        found = {}
        for owner, (at, past) in self._past.items():
            faded = 0.5 ** (max(now - at, 0.0) / self.half_life)
            found[owner] = (past[0] * faded, past[1] * faded, past[2] * faded)
        for interval in running:
            before, more = found.get(interval.owner, _NOTHING), self._held(interval, now)
            found[interval.owner] = (
                before[0] + more[0],
                before[1] + more[1],
                before[2] + more[2],
            )
        return found

    def _held(self, interval: Interval, now: float) -> Vector:
        """Return what an interval adds to the average at a later time."""
        rate = log(2) / self.half_life

        def left(time: float) -> float:
            return float(0.5 ** (max(now - time, 0.0) * rate / log(2)))

        weight = max(left(interval.end) - left(interval.begin), 0.0)
        need = interval.resources
        weight *= node_count(need)
        return (need.gpus * weight, need.cpus * weight, need.memory_bytes * weight)


def dominant(averages: Mapping[str, Vector], nodes: Iterable[Node]) -> dict[str, float]:
    """Return each owner's share of what they used most of, 0..1."""
    nodes = list(nodes)
    whole = (
        sum(len(node.devices) for node in nodes),
        sum(node.cpus for node in nodes),
        sum(node.memory_bytes for node in nodes),
    )
    return {owner: max(map(_part, held, whole)) for owner, held in averages.items()}


def _part(used: float, whole: int) -> float:
    return used / whole if whole else 0.0
