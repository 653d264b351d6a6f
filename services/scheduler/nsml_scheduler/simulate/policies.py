"""The policies that a trace can be replayed under."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from nsml_scheduler.policy.lengths import Lengths
from nsml_scheduler.policy.model import Rules


@dataclass(frozen=True)
class Policy:
    """The planner's settings, and what it starts out knowing."""

    rules: Rules
    knows_durations: bool = False
    lengths: Lengths = field(default_factory=Lengths)


POLICIES: dict[str, Callable[[Rules], Policy]] = {
    "fifo": lambda rules: Policy(replace(rules, order="arrival", backfill=False, preempt=False)),
    "easy": lambda rules: Policy(
        replace(rules, order="arrival", preempt=False), knows_durations=True
    ),
    "las": lambda rules: Policy(replace(rules, order="levels", share_levels=0.0)),
    "learned": lambda rules: Policy(replace(rules, order="learned")),
    "default": Policy,
}
