"""The scheduler on the log: whom it places, whom it looks after, and what it takes up again."""

import asyncio
import platform
from collections.abc import AsyncIterator, Collection, Sequence

import pytest

from nsml_core import clients
from nsml_core.errors import Unavailable
from nsml_core.settings import Settings
from nsml_protos import session_pb2 as pb
from nsml_protos.ledger_pb2 import BalanceRequest, CancelHoldRequest, GrantRequest
from nsml_protos.scheduler_pb2 import ClusterReply, ClusterRequest, Node, NodeJoined
from nsml_scheduler import node, service
from nsml_scheduler.engines.engine import Claim, Ticket
from tests.services.conftest import opened_world
from tests.services.world import BOB, ROOT, SCHEDULER, World, eventually, hold

Attempt = tuple[str, int]


class Bench:
    """An engine whose runners the test plays: it notes who was started, and knows who is gone."""

    def __init__(self, settings: Settings) -> None:
        self._work = settings.work
        self.claims: list[Claim] = []
        self.started: list[Attempt] = []
        self.left: set[Attempt] = set()
        self.silent: set[str] = set()
        self.coming: list[NodeJoined] = []

    def nodes(self, known: Sequence[Node]) -> list[NodeJoined]:
        return node.describe([self._work], known)

    async def joining(self, known: Sequence[Node]) -> list[NodeJoined]:
        found, self.coming = self.coming, []  # each is told of once
        return found

    async def tidy(self, held: Collection[Claim]) -> None:
        """Nothing is left."""

    async def warm(self) -> None:
        """Nothing is to be warmed."""

    async def start(self, ticket: Ticket) -> None:
        claim = ticket.claim
        self.claims.append(claim)
        self.started.append((claim.session, claim.attempt))

    async def gone(self, claims: Collection[Claim]) -> set[Claim]:
        return {claim for claim in claims if (claim.session, claim.attempt) in self.left}

    async def heard(self, nodes: Collection[str]) -> set[str]:
        return set(nodes) - self.silent

    def was_claimed(self, claim: Claim) -> bool:
        return claim in self.claims

    async def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, config: Settings) -> Bench:
    """In place of the engine that starts processes on this host; it outlives the scheduler."""
    found = Bench(config)
    monkeypatch.setattr(service, "LocalEngine", lambda _: found)
    return found


@pytest.fixture
async def world(
    config: Settings, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """All services, one GPU, and 100 credits for everybody."""
    assert not bench.started
    async with opened_world(config, monkeypatch, placing=True, GPUS="1", CPUS="8") as found:
        yield found


GPU = pb.Resources(gpus=1, cpus=1)


async def get(world: World, name: str) -> pb.Session:
    session: pb.Session = await world.sessions(ROOT).Get(pb.SessionRef(name=name))
    return session


async def until_started(world: World, bench: Bench, name: str, attempt: int = 1) -> pb.AttemptRef:
    """Wait for the scheduler, and begin as the runner would."""

    async def is_started() -> bool:
        return (name, attempt) in bench.started

    await eventually(is_started)
    ref = pb.AttemptRef(name=name, attempt=attempt)
    await world.attempts(name, attempt).Start(pb.StartRequest(ref=ref, environment="e"))
    return ref


async def until_waiting(world: World, name: str, reason: str) -> None:
    async def says() -> bool:
        return (await get(world, name)).reason == reason

    await eventually(says)


async def cluster(world: World) -> ClusterReply:
    found: ClusterReply = await world.scheduler().Cluster(ClusterRequest())
    return found


async def test_first_come_first_served_each_on_a_device_of_their_own(
    world: World, bench: Bench
) -> None:
    names = [(await world.run(resources=GPU)).name for _ in range(3)]
    for name in names:
        await world.ended(await until_started(world, bench, name))

    assert bench.started == [(name, 1) for name in names]


async def test_the_cluster_is_shown_as_it_is(world: World, bench: Bench) -> None:
    first = (await world.run(resources=GPU)).name
    second = (await world.run(resources=GPU)).name
    await until_started(world, bench, first)
    await until_waiting(world, second, "needs 1 GPU, 0 free")

    found = await cluster(world)

    assert [work.session for work in found.queue] == [second]
    assert [[work.session for work in node.running] for node in found.nodes] == [[first]]


async def test_a_node_that_is_found_while_the_log_is_away_joins_later(
    world: World, bench: Bench
) -> None:
    log = world.floors["scheduler"].log
    refused = asyncio.Event()

    def refuse() -> None:
        refused.set()
        raise Unavailable("The log is away.")

    guard, log.guard = log.guard, refuse
    bench.coming = [NodeJoined(name="another", identity="2", cpus=8)]
    await refused.wait()
    log.guard = guard

    async def is_there() -> bool:
        return "another" in {one.node.name for one in (await cluster(world)).nodes}

    await eventually(is_there)


async def test_who_has_no_credit_keeps_no_device_from_others(world: World, bench: Bench) -> None:
    await world.ledger(ROOT).Grant(GrantRequest(owner="bob", amount=10**9))
    first = (await world.run(BOB, resources=GPU)).name
    poor = (await world.run(resources=GPU)).name
    last = (await world.run(BOB, resources=GPU)).name
    await world.ledger(SCHEDULER).PlaceHold(hold("ann/None/99", gpus=100))  # all she has
    await world.ended(await until_started(world, bench, first))
    ref = await until_started(world, bench, last)

    await until_waiting(world, poor, "NOT_ENOUGH_CREDIT: waits for credit")
    assert (poor, 1) not in bench.started

    given_back = CancelHoldRequest(owner="ann", session="ann/None/99", attempt=1)
    await world.ledger(SCHEDULER).CancelHold(given_back)
    await world.ended(ref)
    await until_started(world, bench, poor)


async def test_what_was_placed_and_not_started_is_started_after_a_restart(
    world: World, bench: Bench
) -> None:
    name = (await world.run(resources=GPU)).name
    other = (await world.run(resources=GPU)).name
    ref = await until_started(world, bench, name)
    await world.stop("scheduler")
    await world.ended(ref)
    await world.placed(other)  # and then it died
    await world.start("scheduler")

    await until_started(world, bench, other)

    assert bench.started == [(name, 1), (other, 1)]


async def test_who_runs_is_left_alone_by_a_restart(world: World, bench: Bench) -> None:
    name = (await world.run(resources=GPU)).name
    waits = (await world.run(resources=GPU)).name
    ref = await until_started(world, bench, name)
    await world.stop("scheduler")
    await world.start("scheduler")
    await until_waiting(world, waits, "needs 1 GPU, 0 free")
    await world.ended(ref)
    await until_started(world, bench, waits)

    assert bench.started == [(name, 1), (waits, 1)]


async def test_a_runner_that_is_gone_is_lost_and_its_device_is_the_nexts(
    world: World, bench: Bench
) -> None:
    name, other = [(await world.run(resources=GPU)).name for _ in range(2)]
    await until_started(world, bench, name)
    bench.left.add((name, 1))
    await until_started(world, bench, other)

    assert (await get(world, name)).status == pb.LOST


async def test_a_session_stopped_in_the_queue_leaves_nothing_held(
    world: World, bench: Bench
) -> None:
    first, second = [(await world.run(resources=GPU)).name for _ in range(2)]
    ref = await until_started(world, bench, first)
    await world.sessions().Stop(pb.StopRequest(name=second))
    await world.ended(ref)

    async def nothing_is_held() -> bool:
        return not (await world.ledger().Balance(BalanceRequest())).holds

    async def nobody_waits() -> bool:
        return not (await cluster(world)).queue

    await eventually(nothing_is_held)
    await eventually(nobody_waits)
    assert bench.started == [(first, 1)]


async def test_a_host_that_was_renamed_is_the_same_node(
    world: World, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, other = [(await world.run(resources=GPU)).name for _ in range(2)]
    ref = await until_started(world, bench, name)
    await world.stop("scheduler")
    monkeypatch.setattr(platform, "node", lambda: "renamed")
    await world.start("scheduler")
    await until_waiting(world, other, "needs 1 GPU, 0 free")

    assert len((await cluster(world)).nodes) == 1
    await world.ended(ref)
    await until_started(world, bench, other)


async def test_a_resumed_session_is_placed_as_its_next_attempt(world: World, bench: Bench) -> None:
    name = (await world.run(resources=GPU)).name
    await world.ended(await until_started(world, bench, name), exit_code=1)
    await world.sessions().Resume(pb.ResumeRequest(name=name, from_start=True))
    await world.ended(await until_started(world, bench, name, attempt=2))

    assert bench.started == [(name, 1), (name, 2)]
    assert [attempt.number for attempt in (await get(world, name)).attempts] == [1, 2]


async def test_who_waits_for_a_part_that_is_away_is_told(
    world: World, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = [(await world.run(resources=GPU)).name for _ in range(2)]
    ref = await until_started(world, bench, first)
    monkeypatch.setattr(clients._Unary, "_limit", 1.0)
    await world.stop("ledger")
    await world.ended(ref)
    await until_waiting(
        world, second, "a part of the platform does not answer: `nsml status` shows which"
    )
    await world.start("ledger")
    await until_started(world, bench, second)
