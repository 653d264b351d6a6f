"""What every engine promises to the scheduler, asked of the local one and of the Swarm's."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import docker.errors
import pytest

from nsml_core import settings
from nsml_protos.scheduler_pb2 import Node
from nsml_scheduler.engines import swarm_jobs
from nsml_scheduler.engines.engine import Claim, Engine, Ticket
from nsml_scheduler.engines.local import LocalEngine
from nsml_scheduler.engines.swarm import SwarmEngine
from tests.swarm import image
from tests.swarm.cluster import Cluster

pytestmark = [
    # Docker's client leaves the socket of a call open that failed.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.xdist_group("swarm"),
    pytest.mark.timeout(1800),
]

NOWHERE = "127.0.0.1:1"
"""Where no service is: runners ask again and again, and so run on."""


class Place(Protocol):
    """One kind of engine, and a look at what it really has started."""

    nodes: int
    """So many it has."""

    def engine(self) -> Engine:
        """Another engine of this kind, as after a restart of the scheduler."""
        ...

    async def runners(self, claim: Claim) -> int: ...

    async def kill(self, claim: Claim) -> None: ...

    async def close(self) -> None: ...


@dataclass
class Local:
    """Runners are processes of this host."""

    home: Path
    nodes: int = 1
    _engines: list[LocalEngine] = field(default_factory=list)

    def engine(self) -> Engine:
        self._engines.append(LocalEngine(settings.read({"NSML_HOME": str(self.home)})))
        return self._engines[-1]

    async def _found(self, claim: Claim) -> list[Any]:
        wanted = (claim.session, claim.attempt)
        told = await self._engines[0]._servers[0].runners()
        return [one for one in told if (one["session"], one["attempt"]) == wanted]

    async def runners(self, claim: Claim) -> int:
        return len(await self._found(claim))

    async def kill(self, claim: Claim) -> None:
        (found,) = await self._found(claim)
        os.kill(found["pid"], signal.SIGKILL)

    async def close(self) -> None:
        for engine in self._engines:
            process = engine._servers[0]._process
            if process is not None:
                with suppress(ProcessLookupError):
                    process.terminate()
                await process.wait()


@dataclass
class OnSwarm:
    """Runners are containers of the machines."""

    cluster: Cluster
    nodes: int = 3

    @property
    def _home(self) -> str:
        return str(self.cluster.lab.place / "home")

    def engine(self) -> Engine:
        return SwarmEngine(settings.read({"NSML_HOME": self._home, "NSML_ENGINE": "swarm"}))

    def _found(self, claim: Claim) -> list[tuple[Any, str]]:
        machine = next(one for one in self.cluster.machines if one.name == claim.node)
        found = machine.api.containers(filters={"label": "nsml.claim"})
        names = [(each["Id"], each["Labels"]["com.docker.swarm.service.name"]) for each in found]
        own = swarm_jobs.read(self._home).names(claim)[0]
        return [(machine.api, each) for each, service in names if service == own]

    async def runners(self, claim: Claim) -> int:
        return len(await asyncio.to_thread(self._found, claim))

    async def kill(self, claim: Claim) -> None:
        ((api, container),) = self._found(claim)
        await asyncio.to_thread(api.kill, container)

    async def close(self) -> None:
        engine = self.engine()
        await eventually(lambda: _is_tidy(engine, self.cluster))
        await engine.close()
        await eventually(lambda: asyncio.to_thread(self._leaves))

    def _leaves(self) -> bool:
        """Take the network away, as soon as nobody is in it any more."""
        with suppress(docker.errors.APIError):
            self.cluster.api.remove_network("nsml-contract")
            return True
        return False


async def _is_tidy(engine: Engine, cluster: Cluster) -> bool:
    await engine.tidy([])
    ours = {"label": "nsml.platform=nsml-contract"}
    return not cluster.api.services(filters=ours)


async def eventually(check: Callable[[], Awaitable[object]]) -> None:
    for _ in range(600):
        if await check():
            return
        await asyncio.sleep(0.2)
    raise AssertionError("it does not come true")


thorough = pytest.mark.skipif(
    "NSML_TEST_SWARM" not in os.environ, reason="it takes minutes: `make swarm` tries it"
)


@pytest.fixture(params=["local", pytest.param("swarm", marks=thorough)])
async def place(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, short_path: Path
) -> AsyncIterator[Place]:
    """Where the engine of this test starts its runners."""
    monkeypatch.setenv("NSML_SESSION_ADDRESS", NOWHERE)
    if request.param == "local":
        found: Place = Local(short_path)
        settings.make_run_dir(short_path)
    else:
        cluster = request.getfixturevalue("cluster")
        monkeypatch.setenv("NSML_SWARM_IMAGE", image.PLATFORM)
        monkeypatch.setenv("NSML_SWARM_NETWORK", "nsml-contract")
        monkeypatch.setenv("NSML_SWARM_SOCKET", f"{cluster.lab.place}/run/docker.sock")
        monkeypatch.setenv("DOCKER_HOST", cluster.manager.host)
        cluster.api.create_network("nsml-contract", driver="overlay")
        found = OnSwarm(cluster)
    yield found
    await found.close()


async def joined(engine: Engine, place: Place) -> list[Node]:
    """Let an engine's nodes join, as the scheduler does."""
    known: dict[str, Node] = {}

    async def has_all() -> bool:
        for one in await engine.joining(list(known.values())):
            known[one.name] = Node(name=one.name, identity=one.identity, cpus=one.cpus)
        return len(known) == place.nodes

    for one in engine.nodes([]):
        known[one.name] = Node(name=one.name, identity=one.identity, cpus=one.cpus)
    await eventually(has_all)
    engine.nodes(list(known.values()))
    return sorted(known.values(), key=lambda node: node.name)


def ticket(claim: Claim) -> Ticket:
    return Ticket(claim, "token", uuid4().hex, "")


async def test_a_runner_is_started_once_and_gone_when_its_node_says_so(place: Place) -> None:
    engine = place.engine()
    nodes = await joined(engine, place)
    claim = Claim("ann/mnist/1", 1, nodes[-1].name)
    await engine.start(ticket(claim))

    async def runs() -> bool:
        return await place.runners(claim) == 1

    await eventually(runs)
    # Asked again, also by a scheduler that was started anew, nothing happens.
    again = place.engine()
    again.nodes(nodes)
    await again.start(ticket(claim))
    assert await place.runners(claim) == 1
    assert await again.gone([claim]) == set()
    assert await again.heard([claim.node, "elsewhere"]) == {claim.node}

    await place.kill(claim)

    async def is_gone() -> bool:
        return await again.gone([claim]) == {claim}

    await eventually(is_gone)
    assert await place.runners(claim) == 0
    await engine.close()
    await again.close()


async def test_what_was_never_started_is_gone_when_its_node_has_looked(place: Place) -> None:
    engine = place.engine()
    (node, *_) = await joined(engine, place)
    claims = [Claim("ann/mnist/2", attempt, node.name) for attempt in (1, 2)]

    async def are_gone() -> bool:
        return await engine.gone(claims) == set(claims)

    await eventually(are_gone)
    await engine.close()
