"""A fleet filled from a trace of needs: one by one, nobody leaves; how much of it is given away."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nsml_scheduler.policy.fleet import Fleet
from nsml_scheduler.policy.model import WHOLE, Ask, Host, Job
from nsml_scheduler.policy.packing import Packing
from nsml_scheduler.policy.place import Choose, best_fit, place

PLACERS = ("best-fit", "default")


@dataclass(frozen=True)
class Filled:
    """What came of it when as many GPUs had been asked for as there are."""

    allocated: float
    asked: int
    refused: int


def fill(hosts: Sequence[Host], asks: Sequence[Ask], placer: str, seed: int) -> Filled:
    """Place needs in a random order, repeated at random, until they ask for every GPU."""
    fleet = Fleet(hosts)
    choose: Choose = best_fit if placer == "best-fit" else Packing(fleet, Counter(asks))
    gpus = sum(len(host.gpus) for host in hosts) * WHOLE
    given = wanted = asked = refused = 0
    for ask in shuffled(asks, gpus, seed):
        asked += 1
        wanted += ask.gpus * ask.gpu_milli
        parts = place(fleet, Job(str(asked), ask=ask), choose)
        if parts is None:
            refused += 1
        else:
            fleet.occupy(parts)
            given += ask.gpus * ask.gpu_milli
        if wanted >= gpus:
            break
    return Filled(given / gpus if gpus else 0.0, asked, refused)


def shuffled(asks: Sequence[Ask], milli: int, seed: int) -> Iterator[Ask]:
    """Yield needs for 1.3 times what there is, as the published experiment does."""
    chance = random.Random(seed)  # noqa: S311 - an experiment that can be repeated
    drawn = list(asks)
    wanted = sum(ask.gpus * ask.gpu_milli for ask in drawn)
    while 0 < wanted < 1.3 * milli:
        drawn.append(chance.choice(asks))
        wanted += drawn[-1].gpus * drawn[-1].gpu_milli
    chance.shuffle(drawn)
    yield from drawn
