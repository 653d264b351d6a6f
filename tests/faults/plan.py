"""What is to be broken, in which order and with which rests: data that follow from a seed alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from random import Random

from nsml_core.settings import SERVICES


class Deed(StrEnum):
    """What is done to a target."""

    KILL = "kill"
    """SIGKILL, without notice."""

    FREEZE = "freeze"
    """SIGSTOP for a while, then SIGCONT: alive, and silent."""


_KILLED = {
    **dict.fromkeys(SERVICES, 12),
    "nats": 10,
    "postgres": 10,
    "runner": 12,
    "code": 4,
    "forkserver": 3,
    "supervisor": 1,
    "services": 2,
    "everything": 1,
}
"""How often each is killed, beside the others."""

_FROZEN = {**dict.fromkeys(SERVICES, 4), "nats": 4, "postgres": 4, "runner": 6}
TARGETS = tuple(_KILLED)
_FREEZES = 0.15
_BURSTS = 0.1
_REST_SECONDS = (0.2, 1.8)
_LULLS = 0.15
_LULL_SECONDS = (3.0, 6.0)
"""Now and then everything serves for a while, or hardly a session would come to its end."""

_FREEZE_SECONDS = (0.3, 6.0)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is broken."""

    number: int
    deed: Deed
    target: str
    rest_seconds: float
    """Before it; in a burst none, so that two things break at once."""

    seconds: float
    """How long it is frozen."""

    pick: float
    """Which of several it is, such as runners: a part of the way through them."""

    def __str__(self) -> str:
        took = f" for {self.seconds:.1f} s" if self.deed is Deed.FREEZE else ""
        return f"#{self.number} after {self.rest_seconds:.1f} s: {self.deed} {self.target}{took}"


def faults(seed: int, only: Sequence[str] = (), deeds: Sequence[Deed] = ()) -> Iterator[Fault]:
    """Yield faults without end: the same seed and choices always give the same ones."""
    random = Random(seed)  # noqa: S311 - it is to be repeatable, not secret
    kinds = list(deeds or Deed)
    for number in count(1):
        deed = Deed.FREEZE if random.random() < _FREEZES else Deed.KILL
        deed = deed if deed in kinds else kinds[0]
        weights = _weights(deed, only)
        yield Fault(
            number,
            deed,
            random.choices(list(weights), list(weights.values()))[0],
            _rest(random),
            random.uniform(*_FREEZE_SECONDS),
            random.random(),
        )


def _rest(random: Random) -> float:
    kind = random.random()
    if kind < _BURSTS:
        return 0.0
    return random.uniform(*(_LULL_SECONDS if kind > 1 - _LULLS else _REST_SECONDS))


def _weights(deed: Deed, only: Sequence[str]) -> dict[str, int]:
    every = _KILLED if deed is Deed.KILL else _FROZEN
    chosen = {target: weight for target, weight in every.items() if not only or target in only}
    return chosen or dict.fromkeys(only, 1)
