"""Where a job goes so that what is left over stays of use: the least loss over all hosts.

A loss has four parts, all in thousandths of a GPU: how much the fragments of the host grow
(`fragments.py`), what is wasted of the GPU that is cut (`cuts.py`), the GPUs that keep too few
cores, and how sought-after the model is (`scarcity.py`). A host is scored for each distinct need,
again only after it changed, all changed ones in a few operations of NumPy. Losses that are nearly
alike are alike: then the fuller host has it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsml_scheduler.policy.cuts import Cuts
from nsml_scheduler.policy.fleet import Fleet, Room
from nsml_scheduler.policy.fragments import Demand
from nsml_scheduler.policy.model import WHOLE, Ask, Part
from nsml_scheduler.policy.scarcity import Scarcity

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]

_WASTED = 10.0
_STRANDED = 0.2
_SCARCE = 100.0
"""What the other parts weigh against a thousandth of a fragment."""

_NEARLY = 14.0
"""Losses that differ by less are alike."""

_BREAKING = 300
_CORE = 1e-3
"""How full a host is: what is free of its GPUs, and these for each whole one and each core."""

_NEAR_BONUS = 50.0
"""What it is worth that a host has a job's data or image already."""

_PRICED = 0.003
"""Models have new prices whenever so much of all hosts has changed."""

_LOG_MAX = 100_000


class Packing:
    """Chooses for one fleet; to be called as `Choose` of `place.py`."""

    def __init__(self, fleet: Fleet, wanted: Mapping[Ask, float]) -> None:
        self._rooms = sorted(fleet.rooms.values(), key=_model)
        self._place = {room.host.name: at for at, room in enumerate(self._rooms)}
        self._changed = fleet.watch()
        self._kinds = sorted({_model(room) for room in self._rooms})
        self._scarcity = Scarcity(wanted, self._kinds)
        self._cuts = Cuts(_shares(wanted))
        self._milli_cpus = _milli_cpus(wanted)
        count = len(self._rooms)
        width = max((len(room.host.gpus) for room in self._rooms), default=0)
        self._demand = Demand(wanted, self._kinds, width)
        self._models = np.array(
            [self._kinds.index(_model(room)) for room in self._rooms], dtype=int
        )
        self._slices = [
            slice(*np.searchsorted(self._models, (at, at + 1))) for at in range(len(self._kinds))
        ]
        self._cpus = np.zeros(count, dtype=np.int64)
        self._memory = np.zeros(count, dtype=np.int64)
        self._milli = np.zeros((count, width), dtype=np.int64)
        self._whole = np.zeros(count, dtype=np.int64)
        self._most = np.zeros(count, dtype=np.int64)
        self._left = [0] * count
        """What is free of each host's GPUs, in thousandths."""

        self._of_model = [0] * len(self._kinds)
        """The same of all GPUs of a model."""

        self._free = np.zeros(count)
        self._open = np.zeros(count, dtype=bool)
        self._tight = np.zeros(count)
        """The GPU beyond what usually goes with the cores; below 0 where there are more cores."""

        self._now = np.zeros(count)
        self._scores: dict[Ask, _Scores] = {}
        self._log = np.zeros(_LOG_MAX + count, dtype=np.int64)
        """The hosts that changed, in turn: each score knows those up to some point."""

        self._logged = 0
        self._priced = -count
        self._prices = [0.0] * len(self._kinds)
        self._changed.update(self._place)

    def __call__(self, fleet: Fleet, ask: Ask, near: Mapping[str, int]) -> Part | None:
        self._refresh()
        scores = self._scored(ask)
        loss = scores.loss
        if fleet.taken:
            loss = loss.copy()
            loss[[self._place[name] for name in fleet.taken]] = np.inf
        best = self._best(loss, ask, near)
        if best is None:
            return None
        room = self._rooms[best]
        if ask.gpu_milli == WHOLE:
            return room.part(ask)
        return Part(room.host.name, (room.host.gpus[int(scores.gpu[best])].id,), ask)

    def _best(self, loss: Floats, ask: Ask, near: Mapping[str, int]) -> int | None:
        if near:
            loss = loss.copy()
            for name, much in near.items():
                if name in self._place:
                    loss[self._place[name]] -= _NEAR_BONUS * much
        share = ask.gpu_share
        leasts = [float(np.minimum.reduce(loss[those])) for those in self._slices]
        least, _, those = min(
            zip(leasts, self._prices, self._slices, strict=True),
            key=lambda model: model[0] + model[1] * share,
            default=(np.inf, 0.0, slice(0)),
        )
        if least == np.inf:
            return None
        alike = np.flatnonzero(loss[those] <= least + _NEARLY)
        alike += those.start
        return int(alike[0] if len(alike) == 1 else alike[self._free[alike].argmin()])

    def _refresh(self) -> None:
        """Learn what changed on hosts since the last choice."""
        if not self._changed:
            return
        if self._logged > _LOG_MAX:
            self._logged = self._priced = 0
            self._scores.clear()
        for name in self._changed:
            at = self._place[name]
            self._log[self._logged] = at
            self._logged += 1
            self._learn(at, self._rooms[at])
        self._changed.clear()
        if self._logged - self._priced >= _PRICED * len(self._rooms):
            self._price()

    def _learn(self, at: int, room: Room) -> None:
        milli, whole = _milli(room, self._milli.shape[1]), len(room.whole)
        free, model = sum(milli), int(self._models[at])
        self._of_model[model] += free - self._left[at]
        self._left[at] = free
        self._cpus[at] = room.cpus
        self._memory[at] = room.memory_bytes
        self._whole[at] = whole
        self._open[at] = not room.host.cordoned
        self._milli[at] = milli
        self._most[at] = max(milli, default=0)
        self._free[at] = free + _BREAKING * whole + _CORE * room.cpus
        self._tight[at] = tight = free - room.cpus / self._milli_cpus
        row = self._demand.row(room.cpus, room.memory_bytes, model)
        self._now[at] = self._demand.of_host(row, milli, whole) + _STRANDED * max(tight, 0.0)

    def _price(self) -> None:
        self._priced = self._logged
        free = np.array(self._of_model) / WHOLE
        self._prices = (_SCARCE * self._scarcity.prices(free)).tolist()

    def _rows(self, hosts: Ints, ask: Ask) -> Ints:
        return self._demand.rows(
            self._cpus.take(hosts) - ask.cpus,
            self._memory.take(hosts) - ask.memory_bytes,
            self._models.take(hosts),
        )

    def _stranded(self, hosts: Ints, ask: Ask) -> Floats:
        """Return the GPU that would keep fewer cores than usually go with it."""
        more = WHOLE * ask.gpu_share - ask.cpus / self._milli_cpus
        found: Floats = np.maximum(self._tight.take(hosts) - more, 0.0)
        return found

    def _scored(self, ask: Ask) -> "_Scores":
        scores = self._scores.get(ask)
        if scores is None:
            scores = self._scores[ask] = _Scores(len(self._rooms), self._cuts.waste(ask.gpu_milli))
            if ask.models:
                allowed = np.array([kind in ask.models for kind in self._kinds], dtype=bool)
                scores.allowed = allowed[self._models]
            self._score(scores, ask, np.arange(len(self._rooms)))
        elif scores.known < self._logged:
            self._score(scores, ask, self._log[scores.known : self._logged])
        scores.known = self._logged
        return scores

    def _score(self, scores: "_Scores", ask: Ask, hosts: Ints) -> None:
        scores.loss[hosts] = np.inf
        hosts = hosts[self._fits(scores, ask, hosts)]
        if not len(hosts):
            return
        rows = self._rows(hosts, ask)
        if ask.gpu_milli < WHOLE:
            after, scores.gpu[hosts] = self._after_share(scores, ask, rows, hosts)
        else:
            after = self._after_whole(ask, rows, hosts)
        after += _STRANDED * self._stranded(hosts, ask)
        scores.loss[hosts] = after - self._now.take(hosts)

    def _fits(self, scores: "_Scores", ask: Ask, hosts: Ints) -> NDArray[np.bool_]:
        fits: NDArray[np.bool_] = self._open.take(hosts)
        if ask.models:
            fits &= scores.allowed.take(hosts)
        if ask.gpus and ask.gpu_milli == WHOLE:
            fits &= self._whole.take(hosts) >= ask.gpus
        elif ask.gpus:
            fits &= self._most.take(hosts) >= ask.gpu_milli
        if ask.cpus:
            fits &= self._cpus.take(hosts) >= ask.cpus
        if ask.memory_bytes:
            fits &= self._memory.take(hosts) >= ask.memory_bytes
        return fits

    def _after_whole(self, ask: Ask, rows: Ints, hosts: Ints) -> Floats:
        taken = self._demand.of_a_whole(rows) * ask.gpus
        shares = self._demand.of_shares(rows, self._milli[hosts]).sum(axis=1) - taken
        found: Floats = shares - self._demand.of_whole(rows, self._whole.take(hosts) - ask.gpus)
        return found

    def _after_share(
        self, scores: "_Scores", ask: Ask, rows: Ints, hosts: Ints
    ) -> tuple[Floats, Ints]:
        milli, whole = self._milli[hosts], self._whole[hosts]
        before = self._demand.of_shares(rows, milli)
        found = self._demand.of_shares(rows, np.maximum(milli - ask.gpu_milli, 0)) - before
        found += before.sum(axis=1)[:, None]
        kept = self._demand.of_whole(rows, whole)
        broken = self._demand.of_whole(rows, np.maximum(whole - 1, 0))
        found -= np.where(milli == WHOLE, broken[:, None], kept[:, None])
        found += scores.waste.take(milli)
        found[milli < ask.gpu_milli] = np.inf
        gpu = found.argmin(axis=1)
        return found[np.arange(len(hosts)), gpu], gpu


class _Scores:
    """What one need would lose on each host."""

    def __init__(self, hosts: int, waste: Floats) -> None:
        self.loss = np.full(hosts, np.inf, dtype=np.float32)
        self.gpu = np.zeros(hosts, dtype=np.int64)
        self.allowed = np.ones(hosts, dtype=bool)
        self.waste = _WASTED * waste
        self.known = 0
        """How many changes of hosts it knows of."""


def _shares(wanted: Mapping[Ask, float]) -> dict[int, float]:
    """Return how often each part of a GPU is asked for."""
    shares: dict[int, float] = {}
    for ask, weight in wanted.items():
        if ask.gpus and ask.gpu_milli < WHOLE:
            shares[ask.gpu_milli] = shares.get(ask.gpu_milli, 0.0) + weight
    return shares


def _milli_cpus(wanted: Mapping[Ask, float]) -> float:
    """Return how many cores are asked for with each thousandth of a GPU."""
    cpus = sum(ask.cpus * weight for ask, weight in wanted.items())
    gpus = sum(ask.gpu_share * weight for ask, weight in wanted.items())
    return cpus / gpus / WHOLE if cpus and gpus else np.inf


def _model(room: Room) -> str:
    return room.host.gpus[0].model if room.host.gpus else ""


def _milli(room: Room, width: int) -> list[int]:
    free = [0] * width
    for gpu in room.whole:
        free[room.places[gpu]] = WHOLE
    for gpu, milli in room.shared.items():
        free[room.places[gpu]] = max(milli, 0)
    return free
