"""Chance: everything random in one history, from one seed."""

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Odds:
    """How often things go wrong on a way, each as a part of one."""

    lost: float = 0.0
    """What was sent never arrives."""

    unanswered: float = 0.0
    """It is done, and nobody hears of it."""

    twice: float = 0.0
    """It arrives a second time, later."""

    late: float = 0.0
    """It takes long, perhaps longer than anybody waits for it."""


CALM = Odds()
ROUGH = (
    CALM,
    Odds(lost=0.02, unanswered=0.02, twice=0.03, late=0.02),
    Odds(lost=0.05, unanswered=0.10, twice=0.10, late=0.05),
)


class Chance:
    """The dice of one history."""

    def __init__(self, seed: str) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self.odds = CALM

    def fate(self) -> str:
        """Return what becomes of something that is sent: the name of one of the odds, or fine."""
        thrown = self.dice.random()
        odds = self.odds
        for name, part in (
            ("lost", odds.lost),
            ("unanswered", odds.unanswered),
            ("twice", odds.twice),
            ("late", odds.late),
        ):
            thrown -= part
            if thrown < 0:
                return name
        return "fine"

    def trip(self) -> float:
        """Return how long a message is on its way, in seconds."""
        return 0.0005 + 0.01 * self.dice.random() ** 4

    def long(self) -> float:
        """Return how long one is that takes long."""
        return 20.0 * self.dice.random() ** 2
