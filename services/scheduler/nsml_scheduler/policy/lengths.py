"""How long jobs run, learned from those that ended; what to expect of one that has run so long."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from itertools import accumulate
from math import log2

EDGES = tuple(15.0 * 2 ** (step / 2) for step in range(40))
"""Times are told apart by factors of the square root of two, from 15 seconds to 120 days."""

_KINDRED = 8.0
"""A kind counts as much as all others together once so many of it have ended."""


class Lengths:
    """Counts of ended jobs by how long they ran; for each kind of job, and for kinds of kinds."""

    def __init__(self) -> None:
        self._counts: dict[tuple[Hashable, ...], list[float]] = defaultdict(
            lambda: [0.0] * (len(EDGES) + 1)
        )
        self._ended: dict[tuple[Hashable, ...], int] = defaultdict(int)
        self._known: dict[tuple[Hashable, ...], tuple[int, Sequence[float]]] = {}

    def ended(self, kind: tuple[Hashable, ...], seconds: float) -> None:
        """Learn that a job of this kind ran so long."""
        at = bisect_right(EDGES, seconds)
        for family in _families(kind):
            self._counts[family][at] += 1
            self._ended[family] += 1

    def index(self, kind: tuple[Hashable, ...], attained: float) -> float:
        """Return how long such a job is yet to run for each chance that it ends: its Gittins index.

        Without knowledge that is as long again as it has run, so that who has run least goes first.
        """
        return self._indices(kind)[bisect_right(EDGES, attained)]

    def _indices(self, kind: tuple[Hashable, ...]) -> Sequence[float]:
        ended = self._ended[kind]
        known = self._known.get(kind)
        if known is None or ended > known[0] * 1.1 + 4:
            known = (ended, gittins(self._likely(kind)))
            self._known[kind] = known
        return known[1]

    def _likely(self, kind: tuple[Hashable, ...]) -> list[float]:
        """Mix what is known of a kind with what is known of those like it, the nearest most."""
        likely = [1 / (len(EDGES) + 1)] * (len(EDGES) + 1)
        for family in reversed(list(_families(kind))):
            counts = self._counts[family]
            total = self._ended[family] + _KINDRED
            likely = [
                (count + _KINDRED * before) / total
                for count, before in zip(counts, likely, strict=True)
            ]
        return likely


def _families(kind: tuple[Hashable, ...]) -> Iterator[tuple[Hashable, ...]]:
    return (kind[:length] for length in range(len(kind), -1, -1))


def gittins(likely: Sequence[float]) -> list[float]:
    """Return for each time already run the least (time to give) / (chance to end in it)."""
    edges = (0.0, *EDGES, EDGES[-1] * 2)
    alive = [*[*accumulate(reversed(likely))][::-1], 0.0]
    spent = [
        (edges[at + 1] - edges[at]) * (alive[at] + alive[at + 1]) / 2 for at in range(len(likely))
    ]
    found = []
    for start in range(len(likely)):
        best, time = float("inf"), 0.0
        for end in range(start, len(likely)):
            time += spent[end]
            chance = alive[start] - alive[end + 1]
            best = min(best, time / chance) if chance > 0 else best
        found.append(best)
    return found


def level(seconds: float, first: float) -> int:
    """Return the level of a time: 0 until the first ends, and one more at each doubling."""
    return 0 if seconds < first else 1 + int(log2(seconds / first))
