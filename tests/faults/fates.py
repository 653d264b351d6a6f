"""What may become of a call between a caller and a service: a choice that follows from a seed."""

from collections.abc import Mapping
from enum import StrEnum
from random import Random


class Fate(StrEnum):
    """What a proxy does with one call."""

    THROUGH = "through"
    TWICE = "twice"
    """It is made, and when it has its answer made again; the second answer is the caller's."""

    AT_ONCE = "at once"
    """It is made two times side by side; the later answer is the caller's."""

    LOST = "lost"
    """It is made, and the answer is lost: the caller hears that nobody answers."""

    LATE = "late"
    """The caller hears that its time is over; a moment later the call is made."""


RATES: Mapping[Fate, float] = {
    Fate.TWICE: 0.1,
    Fate.AT_ONCE: 0.05,
    Fate.LOST: 0.1,
    Fate.LATE: 0.05,
}


class Chance:
    """Chooses a fate for each call."""

    def __init__(self, seed: int | str, rates: Mapping[Fate, float] = RATES) -> None:
        self._random = Random(seed)  # noqa: S311 - it is to be repeatable, not secret
        self._rates = rates

    def __call__(self, _method: str) -> Fate:
        drawn = self._random.random()
        for fate, rate in self._rates.items():
            drawn -= rate
            if drawn < 0:
                return fate
        return Fate.THROUGH
