"""Many histories, on every core, and what they found."""

from __future__ import annotations

import gc
import multiprocessing
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.simulation.history import tell
from tests.simulation.services import surroundings
from tests.simulation.shrink import kind, shrink
from tests.simulation.steps import Story, draw

_PART = 50
"""So many histories are given to a process at a time."""

_COLLECT = 10
_NICE = 5


@dataclass
class Found:
    """What some histories added up to."""

    histories: int = 0
    steps: int = 0
    entries: int = 0
    seconds: float = 0.0
    """Of processors, all together."""

    failed: dict[int, list[str]] = field(default_factory=dict)

    def add(self, other: Found) -> None:
        self.histories += other.histories
        self.steps += other.steps
        self.entries += other.entries
        self.seconds += other.seconds
        self.failed |= other.failed


def story_of(seed: int, number: int, nodes: int = 1) -> Story:
    """Return the story of a history: the same on every machine."""
    return draw(f"{seed}/{number}", nodes)


def run_part(seed: int, numbers: range, nodes: int = 1) -> Found:
    """Tell some stories in this process."""
    began = time.process_time()
    found = Found()
    with surroundings():
        for number in numbers:
            story = story_of(seed, number, nodes)
            result = tell(story)
            found.histories += 1
            found.steps += len(story.steps)
            found.entries += result.entries
            if result.violations:
                found.failed[number] = list(result.violations)
            if number % _COLLECT == 0:
                gc.collect()
    found.seconds = time.process_time() - began
    return found


def run(seed: int, histories: int, processes: int, nodes: int = 1) -> Iterator[Found]:
    """Tell all stories; yields what was found until now, again and again."""
    parts = [
        (seed, range(first, min(first + _PART, histories)), nodes)
        for first in range(0, histories, _PART)
    ]
    whole = Found()
    with multiprocessing.get_context("spawn").Pool(processes, _prepare) as pool:
        for found in pool.imap_unordered(_run_part, parts):
            whole.add(found)
            yield whole


def _run_part(part: tuple[int, range, int]) -> Found:
    return run_part(*part)


def _prepare() -> None:
    os.nice(_NICE)
    gc.freeze()
    gc.disable()  # worlds are circles of garbage: they are collected between histories


def shorten(story: Story) -> Story:
    """Return a shorter story that breaks one of the same promises."""
    with surroundings():
        kinds = set(map(kind, tell(story).violations))
        return shrink(story, lambda one: bool(kinds & set(map(kind, tell(one).violations))))
