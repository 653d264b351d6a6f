"""Fragments: what is free on a host and of no use to a job that may come.

That is too few whole GPUs, too small a share of one, no core left beside it, another model. Its
expected size, over the jobs that came lately, is the free GPU less what each of those jobs could
use of it (the idea of Weng et al., "Beware of Fragmentation", USENIX ATC 2023). All that matters of
a host is which of those jobs its cores, memory and model allow, and how much of each GPU is free,
so that sums over jobs are looked up in tables.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsml_scheduler.policy.model import WHOLE, Ask

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Demand:
    """The GPU that those who may come could use, by what of a host allows it."""

    def __init__(self, wanted: Mapping[Ask, float], models: Sequence[str], most: int) -> None:
        """Make the tables, for hosts of at most so many GPUs."""
        total = sum(wanted.values()) or 1.0
        asks = [(ask, weight / total) for ask, weight in wanted.items() if ask.gpus]
        self._cpus = _steps(ask.cpus for ask, _ in asks)
        self._memory = _steps(ask.memory_bytes for ask, _ in asks)
        shares = _steps(ask.gpu_milli for ask, _ in asks if ask.gpu_milli < WHOLE)
        counts = max((ask.gpus for ask, _ in asks), default=0)
        counts = max(counts, most)
        self._share_step = np.searchsorted(shares, np.arange(WHOLE + 1), side="right")
        self._cpu_list, self._memory_list = self._cpus.tolist(), self._memory.tolist()
        self._step_list = self._share_step.tolist()
        grid = (len(self._cpus) + 1, len(self._memory) + 1, len(models))
        by_share = np.zeros((*grid, len(shares) + 1))
        by_count = np.zeros((*grid, counts + 1))
        for ask, weight in asks:
            at = (self._cpu_step(ask.cpus), self._memory_step(ask.memory_bytes))
            allowed = [model in ask.models or not ask.models for model in models]
            if ask.gpu_milli < WHOLE:
                by_share[(*at, allowed, self._share_step[ask.gpu_milli])] += weight
            else:
                by_count[(*at, allowed, ask.gpus)] += weight
        self._models = len(models)
        self._shares = len(shares) + 1
        self._useless = (sum(weight for _, weight in asks) - _summed(by_share)).ravel()
        """For each row, what weight of jobs cannot use a part of a GPU of which so much is free."""

        self._useless_whole = WHOLE * self._useless.reshape(-1, self._shares)[:, -1]
        """For each row, what of a whole GPU those cannot use who need a part of one."""

        self._counts = counts + 1
        self._useful = (WHOLE * np.arange(self._counts) * _summed(by_count)).ravel()
        """For each row, what jobs can use of so many whole GPUs."""

    def _cpu_step(self, cpus: Any) -> Any:
        return self._cpus.searchsorted(cpus, side="right")

    def _memory_step(self, memory_bytes: Any) -> Any:
        return self._memory.searchsorted(memory_bytes, side="right")

    def rows(self, cpus: Ints, memory_bytes: Ints, models: Ints) -> Ints:
        """Return the rows of the tables for hosts with so much free."""
        at = self._cpu_step(cpus) * (len(self._memory) + 1) + self._memory_step(memory_bytes)
        rows: Ints = at * self._models + models
        return rows

    def of_shares(self, rows: Ints, milli: Ints) -> Floats:
        """Return what of each GPU those cannot use who need no whole one."""
        steps = self._share_step.take(milli)
        steps += (rows * self._shares)[:, None]
        found: Floats = milli * self._useless.take(steps)
        return found

    def of_a_whole(self, rows: Ints) -> Floats:
        """Return what of one whole GPU those cannot use who need a part of one."""
        found: Floats = self._useless_whole.take(rows)
        return found

    def of_whole(self, rows: Ints, whole: Ints) -> Floats:
        """Return what those can use of the whole GPUs who need such."""
        found: Floats = self._useful.take(rows * self._counts + whole)
        return found

    def row(self, cpus: int, memory_bytes: int, model: int) -> int:
        """Return the row of one host: as `rows`, without NumPy's cost for each call."""
        cpu_step = bisect_right(self._cpu_list, cpus)
        memory_step = bisect_right(self._memory_list, memory_bytes)
        return (cpu_step * (len(self._memory_list) + 1) + memory_step) * self._models + model

    def of_host(self, row: int, milli: Sequence[int], whole: int) -> float:
        """Return the fragments of one host."""
        start = row * self._shares
        useless, steps = self._useless, self._step_list
        parts = sum(each * useless[start + steps[each]] for each in milli if each)
        return float(parts - self._useful[row * self._counts + whole])


def _steps(values: Iterable[int]) -> Ints:
    return np.array(sorted(set(values)), dtype=np.int64)


def _summed(weights: Floats) -> Floats:
    """Add to each cell the weight of all that need no more; one row for each kind of host."""
    for axis in (0, 1, 3):
        weights = weights.cumsum(axis=axis)
    return weights.reshape(-1, weights.shape[-1])
