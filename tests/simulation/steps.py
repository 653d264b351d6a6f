"""What is done to the platform in one history, drawn from a seed: commands and faults."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from nsml_core.settings import SERVICES
from tests.simulation.chance import ROUGH, Odds

_FEWEST, _MOST = 4, 18
_SECONDS = 12.0
"""Between two steps at most."""


@dataclass(frozen=True)
class Step:
    """One command or one fault, at its time.

    Sessions are picked by a number, so that a step means something without those before it.
    """

    at: float
    kind: str
    who: str = "ann"
    pick: int = 0
    value: float = 0.0
    word: str = ""

    def __str__(self) -> str:
        said = [f"{self.at:8.3f}s  {self.kind}", self.word, f"by {self.who}", f"pick {self.pick}"]
        return " ".join([*filter(None, said), f"value {self.value:.3f}"])


@dataclass(frozen=True)
class Story:
    """All that is drawn before a history begins."""

    seed: str
    odds: Odds
    steps: Sequence[Step]
    nodes: int = 1
    """On several nodes some sessions are gangs."""


_COMMANDS = {
    "run": 10,
    "stop": 5,
    "resume": 6,
    "fork": 3,
    "remove": 2,
    "memo": 2,
    "forget": 2,
    "push": 3,
    "unname": 2,
    "grant": 3,
    "drain": 1,
    "limit": 1,
}
_FAULTS = {"kill": 5, "blackout": 1, "crash": 4, "clock": 2, "rewind": 1, "echo": 4, "silence": 1}


def draw(seed: str, nodes: int = 1) -> Story:
    """Return the story of a seed."""
    dice = random.Random(f"story {seed}")  # noqa: S311 - to be repeated, not to be secret
    weights = _COMMANDS | (_FAULTS if dice.random() < 0.8 else {})
    kinds = list(weights)
    steps = [Step(0.0, "run"), Step(0.0, "push", word="data")]
    time = 0.0
    for _ in range(dice.randrange(_FEWEST, _MOST)):
        time += _SECONDS * dice.random() ** 3
        (kind,) = dice.choices(kinds, [weights[name] for name in kinds])
        steps.append(_step(dice, time, kind))
    return Story(seed, dice.choice(ROUGH), steps, nodes)


def _step(dice: random.Random, time: float, kind: str) -> Step:
    words: dict[str, Sequence[str]] = {
        "push": ("data", "other"),
        "unname": ("data", "other"),
        "run": ("", "", "data", "other"),
        "kill": SERVICES,
        "clock": SERVICES,
        "rewind": SERVICES,
        "resume": ("", "", "from-start"),
        "remove": ("", "force"),
        "drain": ("", "now"),
    }
    return Step(
        time,
        kind,
        who=dice.choice(("ann", "ann", "bob")),
        pick=dice.randrange(100),
        value=dice.random(),
        word=dice.choice(words.get(kind, ("",))),
    )
