"""One history: a world, its story told step by step, then calm until all has come to an end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from unittest.mock import patch

from nsml_core.settings import SERVICES
from nsml_session.state import LIVE
from tests.simulation import services
from tests.simulation.chance import CALM, Chance
from tests.simulation.judge import Judge
from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import Network
from tests.simulation.people import Person
from tests.simulation.runners import Engine
from tests.simulation.steps import Step, Story
from tests.simulation.stream import Stream
from tests.simulation.world import World, enter_world, some_nodes, world

_CALM_SECONDS = 600.0
"""So long at most may it take until nothing is owed any more, once nothing breaks any more."""

_START_SECONDS = 60
_LOOK_SECONDS = 10.0
_DRIFT_SECONDS = 300.0
_SILENT_SECONDS = 60.0
_PLENTY = 10**9


@dataclass(frozen=True)
class Result:
    """What became of a history."""

    violations: Sequence[str]
    entries: int
    digest: str
    """Of the whole log: the same seed always gives the same."""


def tell(story: Story) -> Result:
    """Let a story happen, and judge what came of it."""
    random.seed(story.seed)
    loop, chance = SimulatedLoop(), Chance(story.seed)
    stream = Stream()
    here = World(loop, chance, stream, Network(loop, chance), Engine(story.seed))
    here.nodes = some_nodes(story.nodes)
    judge = Judge(here)
    stream.followers.append(judge.hear)
    with patch.dict("os.environ", _settings(chance)):
        loop.run(_happen(here, story))
    return Result(judge.verdict(), len(stream.entries), judge.digest())


def _settings(chance: Chance) -> dict[str, str]:
    """Return what the services find in their environment: short times, and little credit."""
    return {
        "NSML_OPENING_CREDIT": f"{0.5 + 3 * chance.dice.random():.3f}",
        "NSML_CPU_RATE": "1",
        "NSML_ZOMBIE_AFTER": "6",
        "NSML_ZOMBIE_GRACE": "6",
        "NSML_ZOMBIE_STOP": chance.dice.choice(("yes", "no")),
    }


async def _happen(here: World, story: Story) -> None:
    enter_world(here)
    here.has_echoes = any(step.kind == "echo" for step in story.steps)
    for name in SERVICES:
        services.start(name)
    await _until_served()
    here.chance.odds = story.odds
    for number, step in enumerate(story.steps):
        await asyncio.sleep(max(0.0, step.at - here.loop.time()))
        _do(number, step)
    here.chance.odds = CALM
    here.drifts.clear()
    await asyncio.sleep(_LOOK_SECONDS)
    for number, who in enumerate(("ann", "bob"), len(story.steps)):
        Person(number, Step(0.0, "grant", who, pick=_PLENTY + 1)).begin()
    await _until_over()


async def _until_served() -> None:
    for _ in range(_START_SECONDS):
        await asyncio.sleep(1.0)
        if len(world().views) == len(SERVICES):
            return
    raise RuntimeError(f"not all services came to serve: {world().loop.faults}")


async def _until_over() -> None:
    """Return when nothing is owed; at the latest after a time in which all should have ended."""
    here = world()
    for _ in range(int(_CALM_SECONDS / _LOOK_SECONDS)):
        await asyncio.sleep(_LOOK_SECONDS)
        books = here.views["ledger"].states("book")
        sessions = here.views["session"].states("session")
        owed = any(book.holds for book in books) or any(one.status in LIVE for one in sessions)
        if not owed and not here.asking:
            break
    await asyncio.sleep(_LOOK_SECONDS)


def _do(number: int, step: Step) -> None:
    here = world()
    match step.kind:
        case "kill":
            services.kill(step.word)
        case "blackout":
            for name in SERVICES:
                services.kill(name)
        case "crash":
            alive = [one for one in here.engine.runners.values() if not one.process.dead]
            if alive:
                here.engine.crash(alive[step.pick % len(alive)])
        case "clock":
            here.drifts[f"service:{step.word}"] = _DRIFT_SECONDS * (2 * step.value - 1)
        case "echo":
            here.network.echo(step.pick)
        case "silence":
            node = here.nodes[step.pick % len(here.nodes)].name
            here.engine.silent.add(node)
            seconds = _SILENT_SECONDS * step.value
            here.loop.call_later(seconds, here.engine.silent.discard, node)
        case "rewind":
            here.views[step.word].fall()
        case _:
            Person(number, step).begin()
