"""The platform keeps its promises in random histories, and the simulation convicts who does not."""

import random
from collections.abc import Iterator

import pytest

from tests.simulation import driver
from tests.simulation.history import tell
from tests.simulation.mutants import MUTANTS, Mutant, in_place
from tests.simulation.services import surroundings
from tests.simulation.shrink import kind, shrink
from tests.simulation.steps import draw

SEED = 3
HISTORIES = 75
PARTS = 4
MOST = 150
"""A mutant has to be convicted by one of so many histories."""


@pytest.fixture(autouse=True)
def _same_chance() -> Iterator[None]:
    """Histories seed the generator that libraries use: others find it as it was."""
    state = random.getstate()
    yield
    random.setstate(state)


@pytest.mark.parametrize("part", range(PARTS))
def test_every_promise_is_kept(part: int) -> None:
    found = driver.run_part(SEED, range(part * HISTORIES, (part + 1) * HISTORIES))

    assert found.histories == HISTORIES
    assert found.entries > 10 * HISTORIES
    assert found.failed == {}


def test_every_promise_is_kept_to_gangs() -> None:
    found = driver.run_part(SEED, range(HISTORIES), nodes=2)

    assert found.entries > 10 * HISTORIES
    assert found.failed == {}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_mistake_is_convicted(mutant: Mutant) -> None:
    with surroundings(), in_place(mutant):
        for number in range(MOST):
            found = set(map(kind, tell(driver.story_of(SEED, number)).violations))
            assert "fault" not in found - mutant.breaks, "it fails, instead of being wrong"
            if found & mutant.breaks:
                return
    pytest.fail(f"no history convicts who {mutant.name}")


def test_a_seed_tells_the_same_history_each_time() -> None:
    with surroundings():
        first, again = (tell(driver.story_of(SEED, 1)) for _ in range(2))
        other = tell(driver.story_of(SEED, 2))

    assert first.digest == again.digest
    assert first.digest != other.digest


def test_a_failing_history_is_shortened_to_what_matters() -> None:
    story = draw("any")
    needed = {story.steps[0], story.steps[-1]}

    short = shrink(story, lambda one: needed <= set(one.steps))

    assert set(short.steps) == needed
