"""How many GPUs each tenant uses, its past counted by halves: what fair shares are measured on."""

from collections import defaultdict
from collections.abc import Mapping
from math import exp, log


class Usage:
    """A mean over the past in which a time counts half as much as one a half-life later."""

    def __init__(self, half_life_seconds: float) -> None:
        self._rate = log(2) / half_life_seconds
        self._running: dict[str, float] = defaultdict(float)
        self._mean: dict[str, float] = defaultdict(float)
        self._time = 0.0

    def change(self, tenant: str, gpus: float, now: float) -> None:
        """Take note that a tenant has so many more GPUs from now on."""
        self.at(now)
        self._running[tenant] += gpus

    def at(self, now: float) -> Mapping[str, float]:
        """Return what each tenant uses."""
        left = exp(-self._rate * max(now - self._time, 0.0))
        if left < 1:
            for tenant, running in self._running.items():
                self._mean[tenant] = self._mean[tenant] * left + running * (1 - left)
            self._time = now
        return self._mean
