"""Where a job goes so that what is left over stays of use: least expected growth of fragments.

A fragment is what is free on a host and of no use to a job that may come: too few whole GPUs, too
small a share of one, no core left beside it, another model. Its expected size, over the jobs that
came lately, is the free GPU less what each of those jobs could use of it (the idea of Weng et al.,
"Beware of Fragmentation", USENIX ATC 2023). All that matters of a host is which of those jobs its
cores, memory and model allow, and how much of each GPU is free, so that sums over jobs are looked
up in tables. Hosts are scored for each distinct need, and again only after they changed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsml_scheduler.policy.fleet import Fleet, Room
from nsml_scheduler.policy.model import WHOLE, Ask, Part

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NEAR_TIE = 14.0
"""Scores that differ by less, in thousandths of a GPU, are alike: then the fuller host has it."""

_BREAKING = 300
_CORE = 1e-3
"""How full a host is: what is free of its GPUs, and these for each whole one and each core."""

_NEAR_BONUS = 50.0
"""What it is worth that a host has a job's data or image already."""


_LOG_MAX = 1_000_000


class Demand:
    """The GPU that those who may come could use, by what of a host allows it."""

    def __init__(self, wanted: Mapping[Ask, float], models: Sequence[str]) -> None:
        total = sum(wanted.values()) or 1.0
        asks = [(ask, weight / total) for ask, weight in wanted.items() if ask.gpus]
        self.total = sum(weight for _, weight in asks)
        self._cpus = _steps(ask.cpus for ask, _ in asks)
        self._memory = _steps(ask.memory_bytes for ask, _ in asks)
        shares = _steps(ask.gpu_milli for ask, _ in asks if ask.gpu_milli < WHOLE)
        most = max((ask.gpus for ask, _ in asks), default=0)
        self.share_step = np.searchsorted(shares, np.arange(WHOLE + 1), side="right")
        grid = (len(self._cpus) + 1, len(self._memory) + 1, len(models))
        by_share = np.zeros((*grid, len(shares) + 1))
        by_count = np.zeros((*grid, most + 1))
        for ask, weight in asks:
            at = (self._cpu_step(ask.cpus), self._memory_step(ask.memory_bytes))
            allowed = [model in ask.models or not ask.models for model in models]
            if ask.gpu_milli < WHOLE:
                by_share[(*at, allowed, self.share_step[ask.gpu_milli])] += weight
            else:
                by_count[(*at, allowed, ask.gpus)] += weight
        self._models = len(models)
        self.most = most
        self.by_share = _summed(by_share)
        """For each row, what weight of jobs can use a part of a GPU of which so much is free."""

        self.by_count = _summed(by_count)
        """For each row, what weight of jobs can use so many whole GPUs."""

    def _cpu_step(self, cpus: Any) -> Any:
        return np.searchsorted(self._cpus, cpus, side="right")

    def _memory_step(self, memory_bytes: Any) -> Any:
        return np.searchsorted(self._memory, memory_bytes, side="right")

    def rows(self, cpus: Ints, memory_bytes: Ints, models: Ints) -> Ints:
        """Return the rows of the tables for hosts with so much free."""
        at = self._cpu_step(cpus) * (len(self._memory) + 1) + self._memory_step(memory_bytes)
        rows: Ints = at * self._models + models
        return rows


def _steps(values: Iterable[int]) -> Ints:
    return np.array(sorted(set(values)), dtype=np.int64)


def _summed(weights: Floats) -> Floats:
    """Add to each cell the weight of all that need no more; one row for each kind of host."""
    for axis in (0, 1, 3):
        weights = weights.cumsum(axis=axis)
    return weights.reshape(-1, weights.shape[-1])


class Fragments:
    """Chooses for one fleet; to be called as `Choose` of `place.py`."""

    def __init__(self, fleet: Fleet, wanted: Mapping[Ask, float]) -> None:
        self._rooms = list(fleet.rooms.values())
        self._place = {room.host.name: at for at, room in enumerate(self._rooms)}
        self._changed = fleet.watch()
        kinds = sorted({_model(room) for room in self._rooms})
        self._kinds = kinds
        self._demand = Demand(wanted, kinds)
        count = len(self._rooms)
        width = max((len(room.host.gpus) for room in self._rooms), default=0)
        self._models = np.array([kinds.index(_model(room)) for room in self._rooms], dtype=int)
        self._cpus = np.zeros(count, dtype=np.int64)
        self._memory = np.zeros(count, dtype=np.int64)
        self._milli = np.zeros((count, width), dtype=np.int64)
        self._whole = np.zeros(count, dtype=np.int64)
        self._free = np.zeros(count)
        self._open = np.zeros(count, dtype=bool)
        self._now = np.zeros(count)
        self._scores: dict[Ask, _Scores] = {}
        self._log: list[int] = []
        """The hosts that changed, in turn: each score knows those up to some point."""

        self._changed.update(self._place)

    def __call__(self, fleet: Fleet, ask: Ask, near: frozenset[str]) -> Part | None:  # noqa: ARG002 - the fleet is the one that is watched
        self._refresh()
        scores = self._scored(ask)
        best = self._best(scores.growth, near)
        if best is None:
            return None
        room = self._rooms[best]
        if ask.gpu_milli == WHOLE:
            return Part(room.host.name, tuple(room.usable(ask)[: ask.gpus]), ask)
        return Part(room.host.name, (room.host.gpus[int(scores.gpu[best])].id,), ask)

    def _best(self, growth: Floats, near: frozenset[str]) -> int | None:
        if near:
            growth = growth.copy()
            growth[[self._place[name] for name in near if name in self._place]] -= _NEAR_BONUS
        least = growth.min() if len(growth) else np.inf
        if least == np.inf:
            return None
        alike = np.flatnonzero(growth <= least + _NEAR_TIE)
        if len(alike) == 1:
            return int(alike[0])
        return int(alike[self._free[alike].argmin()])

    def _refresh(self) -> None:
        """Learn what changed on hosts since the last choice."""
        if not self._changed:
            return
        at = [self._place[name] for name in self._changed]
        self._changed.clear()
        for each in at:
            room = self._rooms[each]
            self._cpus[each] = room.cpus
            self._memory[each] = room.memory_bytes
            self._whole[each] = len(room.whole)
            self._open[each] = not room.host.cordoned
            self._milli[each] = _milli(room, self._milli.shape[1])
        hosts = np.array(at)
        self._free[hosts] = (
            self._milli[hosts].sum(axis=1)
            + _BREAKING * self._whole[hosts]
            + _CORE * self._cpus[hosts]
        )
        self._now[hosts] = self._fragments(
            self._rows(hosts, Ask()), self._milli[hosts], self._whole[hosts]
        )
        self._log += at
        if len(self._log) > _LOG_MAX:
            self._log.clear()
            self._scores.clear()

    def _rows(self, hosts: Ints, ask: Ask) -> Ints:
        return self._demand.rows(
            self._cpus[hosts] - ask.cpus,
            self._memory[hosts] - ask.memory_bytes,
            self._models[hosts],
        )

    def _of_shares(self, rows: Ints, milli: Ints) -> Floats:
        """Return what of each GPU those cannot use who need no whole one."""
        demand = self._demand
        useful = demand.by_share[rows[:, None], demand.share_step[milli]]
        found: Floats = milli * (demand.total - useful)
        return found

    def _of_whole(self, rows: Ints, whole: Ints) -> Floats:
        """Return what those can use of the whole GPUs who need such."""
        demand = self._demand
        useful = demand.by_count[rows, np.minimum(whole, demand.most)]
        found: Floats = WHOLE * whole * useful
        return found

    def _fragments(self, rows: Ints, milli: Ints, whole: Ints) -> Floats:
        found: Floats = self._of_shares(rows, milli).sum(axis=1) - self._of_whole(rows, whole)
        return found

    def _scored(self, ask: Ask) -> "_Scores":
        scores = self._scores.get(ask)
        if scores is None:
            scores = self._scores[ask] = _Scores(len(self._rooms))
            scores.allowed = np.array(
                [not ask.models or kind in ask.models for kind in self._kinds], dtype=bool
            )[self._models]
            self._score(scores, ask, np.arange(len(self._rooms)))
        elif scores.known < len(self._log):
            self._score(scores, ask, np.array(list(set(self._log[scores.known :]))))
        scores.known = len(self._log)
        return scores

    def _score(self, scores: "_Scores", ask: Ask, hosts: Ints) -> None:
        fits = self._open[hosts] & scores.allowed[hosts]
        fits &= (not ask.cpus) | (self._cpus[hosts] >= ask.cpus)
        fits &= (not ask.memory_bytes) | (self._memory[hosts] >= ask.memory_bytes)
        rows = self._rows(hosts, ask)
        if ask.gpu_milli < WHOLE:
            after, scores.gpu[hosts] = self._after_share(ask, rows, hosts)
        else:
            fits &= self._whole[hosts] >= ask.gpus
            after = self._after_whole(ask, rows, hosts)
        scores.growth[hosts] = np.where(fits, after - self._now[hosts], np.inf)

    def _after_whole(self, ask: Ask, rows: Ints, hosts: Ints) -> Floats:
        left = np.maximum(self._whole[hosts] - ask.gpus, 0)
        taken = self._of_shares(rows, np.full((len(hosts), 1), WHOLE))[:, 0] * ask.gpus
        shares = self._of_shares(rows, self._milli[hosts]).sum(axis=1) - taken
        found: Floats = shares - self._of_whole(rows, left)
        return found

    def _after_share(self, ask: Ask, rows: Ints, hosts: Ints) -> tuple[Floats, Ints]:
        milli = self._milli[hosts]
        before = self._of_shares(rows, milli)
        after = self._of_shares(rows, np.maximum(milli - ask.gpu_milli, 0))
        whole = self._whole[hosts]
        kept = self._of_whole(rows, whole)
        broken = self._of_whole(rows, np.maximum(whole - 1, 0))
        found = before.sum(axis=1)[:, None] - before + after
        found -= np.where(milli == WHOLE, broken[:, None], kept[:, None])
        found = np.where(milli >= ask.gpu_milli, found, np.inf)
        gpu = found.argmin(axis=1)
        return found[np.arange(len(hosts)), gpu], gpu


class _Scores:
    """What one need would cost on each host."""

    def __init__(self, hosts: int) -> None:
        self.growth = np.full(hosts, np.inf)
        self.gpu = np.zeros(hosts, dtype=np.int64)
        self.allowed = np.ones(hosts, dtype=bool)
        self.known = 0
        """How many changes of hosts it knows of."""


def _model(room: Room) -> str:
    return room.host.gpus[0].model if room.host.gpus else ""


def _milli(room: Room, width: int) -> list[int]:
    free = [0] * width
    for gpu in room.whole:
        free[room.places[gpu]] = WHOLE
    for gpu, milli in room.shared.items():
        free[room.places[gpu]] = max(milli, 0)
    return free
