"""What became of an injury."""

from dataclasses import dataclass

from tests.faults.injuries import Injury


@dataclass(frozen=True)
class Verdict:
    """What the platform made of one injury."""

    injury: Injury
    outcome: str
    """`named`: refused or found, and said; `healed`: all is as written; `missed`: neither."""

    words: str = ""
