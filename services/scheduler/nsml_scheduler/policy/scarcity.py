"""How sought-after each model of GPU is: who may have any is kept off those that others need."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nsml_scheduler.policy.model import Ask

Floats = NDArray[np.float64]


class Scarcity:
    """Prices of models: what is asked for of each, if all took evenly of what is free for them."""

    def __init__(self, wanted: Mapping[Ask, float], models: Sequence[str]) -> None:
        weights: dict[tuple[bool, ...], float] = {}
        for ask, weight in wanted.items():
            if ask.gpus:
                allowed = tuple(not ask.models or model in ask.models for model in models)
                weights[allowed] = weights.get(allowed, 0.0) + weight * ask.gpu_share
        self._allowed = np.array(list(weights), dtype=float).reshape(-1, len(models))
        total = sum(weights.values()) or 1.0
        self._weights = np.array(list(weights.values())) / total

    def prices(self, free: Floats) -> Floats:
        """Return the price of each model, of which so many GPUs are free: 1 is neither nor."""
        for_them = np.maximum(self._allowed @ free, 1.0)
        found: Floats = self._allowed.T @ (self._weights / for_them) * free.sum()
        return found
