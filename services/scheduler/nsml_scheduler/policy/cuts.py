"""What a part of a GPU is worth, by the parts that are asked for: what is wasted when one is cut.

Who asks for 810 thousandths costs a whole GPU where nobody asks for 190. So each part has a price:
the highest ones under which no way to cut up a GPU yields more than the GPU. These are the dual
prices of the cutting-stock problem, found by the method of Gilmore and Gomory (1961): begin with
one way to cut for each size, and take in the way that is worth most for as long as that is worth
more than a GPU.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nsml_scheduler.policy.model import WHOLE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_UNIT = 10
"""Sizes are told apart by so many thousandths."""

_ROUNDS = 500
_NEARLY = 1e-9


class Cuts:
    """The worth of each size, from 0 to a whole GPU, in thousandths of one."""

    def __init__(self, wanted: Mapping[int, float]) -> None:
        rounded: dict[int, float] = {}
        for milli, weight in wanted.items():
            size = -(-milli // _UNIT)
            rounded[size] = rounded.get(size, 0.0) + weight
        sizes = np.array(sorted(rounded), dtype=np.int64)
        demand = np.array([rounded[int(size)] for size in sizes])
        worth, _ = _worth(sizes, _prices(sizes, demand), WHOLE // _UNIT)
        self._worth = WHOLE * worth[np.arange(WHOLE + 1) // _UNIT]

    def waste(self, milli: int) -> Floats:
        """Return what is lost if this is cut off, for each size; 0 where that is too small."""
        worth = self._worth
        lost = np.zeros(WHOLE + 1)
        price = worth[min(-(-milli // _UNIT) * _UNIT, WHOLE)]
        lost[milli:] = worth[milli:] - worth[: WHOLE + 1 - milli] - price
        return np.maximum(lost, 0.0)


def _prices(sizes: Ints, demand: Floats) -> Floats:
    """Return the price of each size, in GPUs."""
    room = WHOLE // _UNIT
    ways = np.diag(room // sizes).astype(float)
    prices = np.zeros(len(sizes))
    for _ in range(_ROUNDS if len(sizes) else 0):
        prices = np.linalg.solve(ways.T, np.ones(len(sizes)))
        worth, way = _worth(sizes, prices, room)
        prices /= max(worth[room], 1.0)
        if worth[room] <= 1 + _NEARLY:
            break
        used, instead = np.linalg.solve(ways, demand), np.linalg.solve(ways, way)
        ratios = np.full(len(sizes), np.inf)
        np.divide(used, instead, out=ratios, where=instead > _NEARLY)
        ways[:, ratios.argmin()] = way
    return prices


def _worth(sizes: Ints, prices: Floats, room: int) -> tuple[Floats, Floats]:
    """Return what each size can be cut into at best, and how the largest is."""
    worth = np.zeros(room + 1)
    cut = np.full(room + 1, -1)
    for size in range(1, room + 1):
        able = int(np.searchsorted(sizes, size, side="right"))
        worth[size], cut[size] = worth[size - 1], -1
        if able:
            values = worth[size - sizes[:able]] + prices[:able]
            best = int(values.argmax())
            if values[best] > worth[size] + _NEARLY:
                worth[size], cut[size] = values[best], best
    way = np.zeros(len(sizes))
    left = room
    while left:
        if cut[left] < 0:
            left -= 1
        else:
            way[cut[left]] += 1
            left -= int(sizes[cut[left]])
    return worth, way
