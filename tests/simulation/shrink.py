"""From a story in which a promise was not kept to a shorter one in which it is not, either."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.simulation.steps import Step, Story

Fails = Callable[[Story], bool]


def shrink(story: Story, fails: Fails) -> Story:
    """Leave out steps, first many at a time, as long as it still fails."""
    steps = list(story.steps)
    size = max(1, len(steps) // 2)
    while size:
        shorter = _without(story, steps, size, fails)
        if shorter is None:
            size //= 2
        else:
            steps = shorter
    return replace(story, steps=steps)


def _without(story: Story, steps: Sequence[Step], size: int, fails: Fails) -> list[Step] | None:
    for at in range(0, len(steps), size):
        shorter = [*steps[:at], *steps[at + size :]]
        if fails(replace(story, steps=shorter)):
            return shorter
    return None


def kind(violation: str) -> str:
    """Return which promise it is: what comes before the first colon."""
    return violation.partition(":")[0]
