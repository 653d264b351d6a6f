"""No device is free while a container of a lost runner may still run."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from nsml_runner import marks
from nsml_runner.containers import Engine
from tests.runner.conftest import Platform, until
from tests.runner.test_forkserver import SLEEP, Forkserver, launch, serving, until_served

pytestmark = pytest.mark.usefixtures("node")


@pytest.fixture
async def forkserver(node: pytest.MonkeyPatch, platform: Platform) -> AsyncIterator[Forkserver]:
    node.setenv("NSML_HOME", str(platform.home))
    async with serving(platform) as found:
        yield found


async def test_what_a_crashed_runner_leaves_is_killed_before_its_attempt_is_gone(
    platform: Platform, forkserver: Forkserver, engine: Engine
) -> None:
    name, runner = await started(platform, forkserver)
    labels = marks.labels(platform.home, name, 1, "")
    (container,) = engine.find(labels)
    os.kill(runner, signal.SIGKILL)
    while await listed(forkserver):
        await asyncio.sleep(0.05)

    assert container not in engine.find(labels)
    assert not marks.is_marked(platform.work(name))


async def test_the_next_forkserver_finds_what_an_earlier_one_left(
    node: pytest.MonkeyPatch, platform: Platform, forkserver: Forkserver, engine: Engine
) -> None:
    """It does not take silence for an end: while the engine is away, the attempt stays."""
    name, runner = await started(platform, forkserver)
    labels = marks.labels(platform.home, name, 1, "")
    forkserver.process.kill()
    await forkserver.process.wait()
    os.kill(runner, signal.SIGKILL)
    with node.context() as changed:
        changed.setenv("DOCKER_HOST", f"unix://{platform.home}/nobody.sock")
        deaf = await launch(forkserver.path)
        await until_served(forkserver.path)
        during = [await listed(Forkserver(forkserver.path, deaf)) for _ in range(2)]
        left = engine.find(labels)
        deaf.kill()
        await deaf.wait()
    second = await launch(forkserver.path)
    await until_served(forkserver.path)
    first = await listed(Forkserver(forkserver.path, second))
    await until(lambda: not engine.find(labels))
    while await listed(Forkserver(forkserver.path, second)):
        await asyncio.sleep(0.05)
    second.terminate()

    assert during == [[(name, 1)]] * 2
    assert (len(left), first) == (1, [(name, 1)])
    assert await second.wait() == 0


async def started(platform: Platform, forkserver: Forkserver) -> tuple[str, int]:
    name = await platform.assign(SLEEP)
    (answer,) = await forkserver.ask(platform.ticket(name))
    await platform.recorder.told[name].until(lambda told: told.output())
    return name, int(answer["pid"])


async def listed(forkserver: Forkserver) -> list[tuple[str, int]]:
    (answer,) = await forkserver.ask({"op": "list"})
    return [(each["session"], each["attempt"]) for each in answer["runners"]]
