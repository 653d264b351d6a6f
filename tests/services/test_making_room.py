"""The scheduler on the log: priorities, preemption, drains, leases, quotas, who follows whom."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from nsml_core.errors import Refused
from nsml_core.masks import SOMEBODYS
from nsml_core.settings import Settings
from nsml_core.sole import Sole
from nsml_protos import scheduler_pb2 as sc
from nsml_protos import session_pb2 as pb
from nsml_protos.ledger_pb2 import AuditRequest, GrantRequest
from nsml_scheduler import leases
from tests.services.conftest import opened_world
from tests.services.test_scheduler import Bench, bench, cluster, get, until_started, until_waiting
from tests.services.world import ANN, BOB, ROOT, World, eventually, refused

__all__ = ["bench"]

GPU = pb.Resources(gpus=1, cpus=1)


@pytest.fixture
async def world(
    config: Settings, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """All services, one GPU, credit for ann and bob."""
    assert not bench.started
    async with opened_world(config, monkeypatch, placing=True, GPUS="1", CPUS="8") as found:
        await found.ledger(ROOT).Grant(GrantRequest(owner="bob", amount=10**9))
        yield found


async def make_room(world: World, ref: pb.AttemptRef) -> None:
    """Do as a runner does that is told to stop."""

    async def is_asked() -> bool:
        return (await get(world, ref.name)).requeue

    await eventually(is_asked)
    outcome = pb.Outcome(signal=15)
    asked = pb.EndRequest(ref=ref, outcome=outcome, stopped=True)
    await world.attempts(ref.name, ref.attempt).End(asked)


async def save(world: World, ref: pb.AttemptRef, name: str = "5") -> None:
    saved = pb.SaveCheckpointRequest(ref=ref, checkpoint=pb.Checkpoint(name=name, tree="t" * 64))
    await world.attempts(ref.name, ref.attempt).SaveCheckpoint(saved)


async def settings(world: World, **named: int) -> None:
    await world.scheduler(ROOT).SetPolicy(sc.PolicySet(**named))  # type: ignore[arg-type]


async def audited(world: World) -> list[str]:
    found = [reply async for reply in world.ledger(ROOT).Audit(AuditRequest())]
    return [one.what for reply in found for one in reply.differences]


async def test_a_higher_priority_takes_the_room_and_gives_it_back(
    world: World, bench: Bench
) -> None:
    low = (await world.run(resources=GPU, priority=pb.LOW)).name
    ref = await until_started(world, bench, low)
    await save(world, ref)
    await settings(world, checkpoint_wait_seconds=1)
    urgent = (await world.run(BOB, resources=GPU)).name
    await make_room(world, ref)
    other = await until_started(world, bench, urgent)
    waiting = await get(world, low)
    await world.ended(other)
    again = await until_started(world, bench, low, attempt=2)

    assert (waiting.status, waiting.start.name, waiting.preemptions) == (pb.QUEUED, "5", 1)
    await world.ended(again)
    assert await audited(world) == []
    history = await world.sessions(ROOT).History(pb.HistoryRequest(name=low))
    made = [line for line in history.lines if line.event in {"Preempted", "Resumed"}]
    assert [line.event for line in made] == ["Preempted", "Resumed"]
    assert made[0].sequence == made[1].sequence


async def test_anybody_may_have_the_room_of_a_preemptible_one(world: World, bench: Bench) -> None:
    await settings(world, minimum_run_seconds=0)
    first = (await world.run(resources=GPU, preemptible=True)).name
    ref = await until_started(world, bench, first)
    second = (await world.run(BOB, resources=GPU)).name
    await make_room(world, ref)
    await until_started(world, bench, second)

    assert (await get(world, first)).status == pb.QUEUED


async def test_nobody_makes_room_where_that_is_switched_off(world: World, bench: Bench) -> None:
    await world.scheduler(ROOT).SetPolicy(sc.PolicySet(preemption=False))
    low = (await world.run(resources=GPU, priority=pb.LOW)).name
    await until_started(world, bench, low)
    urgent = (await world.run(BOB, resources=GPU)).name
    await until_waiting(world, urgent, "needs 1 GPU, 0 free")

    assert not (await get(world, low)).stop_reason


async def test_a_drained_node_is_emptied_and_takes_nothing(world: World, bench: Bench) -> None:
    name = (await world.run(resources=GPU)).name
    ref = await until_started(world, bench, name)
    (node,) = (use.node.name for use in (await cluster(world)).nodes)
    drain = sc.NodeRequest(name=node, reason="new memory", at_once=True)
    async with refused(grpc.StatusCode.PERMISSION_DENIED, "Only an admin"):
        await world.scheduler(ANN).Drain(drain)
    await world.scheduler(ROOT).Drain(drain)
    await make_room(world, ref)

    async def waits() -> bool:
        return bool((await get(world, name)).reason)

    await eventually(waits)
    assert bench.started == [(name, 1)]
    assert not (await cluster(world)).nodes[0].running
    await world.scheduler(ROOT).Uncordon(sc.NodeRequest(name=node))
    await until_started(world, bench, name, attempt=2)


async def test_a_lost_node_keeps_what_it_holds_until_it_is_removed(
    world: World, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "LEASE_SECONDS", 0.0)
    name = (await world.run(resources=GPU)).name
    await until_started(world, bench, name)
    (node,) = (use.node.name for use in (await cluster(world)).nodes)
    bench.silent.add(node)
    bench.left.add((name, 1))  # nobody can say so

    async def is_lost() -> bool:
        return (await cluster(world)).nodes[0].node.HasField("lost")

    await eventually(is_lost)
    await asyncio.sleep(0)
    assert (await get(world, name)).status == pb.RUNNING

    await world.scheduler(ROOT).RemoveNode(sc.NodeRequest(name=node, reason="burnt"))

    async def is_over() -> bool:
        return (await get(world, name)).status == pb.LOST

    await eventually(is_over)
    assert "was removed for good" in (await get(world, name)).reason
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "No node has"):
        await world.run(resources=GPU)


async def test_a_quota_holds_back_and_refuses_what_could_never_be(
    world: World, bench: Bench
) -> None:
    limits = sc.Quota(owner="ann", cpus=2, sessions=1)
    async with refused(grpc.StatusCode.PERMISSION_DENIED, "Only an admin"):
        await world.scheduler(BOB).SetQuota(limits)
    await world.scheduler(ROOT).SetQuota(limits)
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "ann may have 2 CPUs at once"):
        await world.run(resources=pb.Resources(cpus=3))
    first, second = [(await world.run(resources=pb.Resources(cpus=1))).name for _ in range(2)]
    ref = await until_started(world, bench, first)
    await until_waiting(world, second, "waits: ann may have 1 session at once")

    held = await world.scheduler().GetQuota(sc.QuotaRequest())
    assert (held.cpus, held.sessions, held.quota.cpus, held.is_own) == (1, 1, 2, True)
    async with refused(grpc.StatusCode.PERMISSION_DENIED, "theirs to read"):
        await world.scheduler(BOB).GetQuota(sc.QuotaRequest(owner="ann"))
    await world.ended(ref)
    await until_started(world, bench, second)


async def test_high_priority_is_for_admins(world: World, bench: Bench) -> None:
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "High priority is for admins"):
        await world.run(resources=GPU, priority=pb.HIGH)
    name = (await world.run(ROOT, resources=pb.Resources(cpus=1), priority=pb.HIGH)).name

    await until_started(world, bench, name)


async def test_who_follows_starts_after_a_good_end_and_is_stopped_after_a_bad_one(
    world: World, bench: Bench
) -> None:
    need = pb.Resources(cpus=1)
    good, bad = [(await world.run(resources=need)).name for _ in range(2)]
    after_good = (await world.run(resources=need, after=[good])).name
    after_bad = (await world.run(resources=need, after=[good, bad])).name
    async with refused(grpc.StatusCode.NOT_FOUND, f"There is no session {good}"):
        await world.run(BOB, resources=need, after=[good])
    refs = [await until_started(world, bench, name) for name in (good, bad)]
    await until_waiting(world, after_good, f"waits for {good} to end")
    await world.ended(refs[0])
    await world.ended(refs[1], exit_code=1)

    await until_started(world, bench, after_good)

    async def is_stopped() -> bool:
        return (await get(world, after_bad)).status == pb.STOPPED

    await eventually(is_stopped)
    assert f"follow {bad}, which did not end well" in (await get(world, after_bad)).reason
    async with refused(grpc.StatusCode.FAILED_PRECONDITION, "did not end well"):
        await world.run(resources=need, after=[bad])


async def test_the_queue_says_why_in_order(world: World, bench: Bench) -> None:
    first = (await world.run(resources=GPU)).name
    await until_started(world, bench, first)
    low = (await world.run(resources=GPU, priority=pb.LOW)).name
    normal = (await world.run(BOB, resources=GPU)).name
    await until_waiting(world, low, "needs 1 GPU, 0 free")
    await until_waiting(world, normal, "needs 1 GPU, 0 free")

    reply = await world.scheduler(ROOT).Queue(sc.QueueRequest())
    to_ann = await world.scheduler().Queue(sc.QueueRequest())

    assert [line.work.session for line in reply.lines] == [normal, low]
    assert [line.work.session for line in to_ann.lines] == [SOMEBODYS, low]
    assert normal not in str(to_ann)
    assert [line.position for line in reply.lines] == [1, 2]
    assert {line.reason for line in reply.lines} == {"needs 1 GPU, 0 free"}
    for person, holder in ((ROOT, first), (BOB, SOMEBODYS)):
        history = await world.sessions(person).History(pb.HistoryRequest(name=normal))
        said = [line.detail for line in history.lines if line.event == "Waiting"][-1]
        assert f'"holders": ["{holder}"]' in said
        assert '"position": 1' in said


async def test_shares_are_known_again_after_a_restart(world: World, bench: Bench) -> None:
    ref = await until_started(world, bench, (await world.run(resources=GPU)).name)
    await world.ended(ref)

    async def share() -> float:
        """Once it is known that nothing runs any more."""
        reply = await world.scheduler().GetQuota(sc.QuotaRequest())
        return 0.0 if reply.sessions else float(reply.share)

    before = await eventually(share)
    await world.stop("scheduler")
    await world.start("scheduler")

    assert await share() == pytest.approx(before, rel=0.2)


async def test_a_second_scheduler_refuses_to_serve(world: World) -> None:
    second = Sole("scheduler", world.settings.postgres_url)
    with pytest.raises(Refused, match=r"There is a scheduler already, process .* end one of"):
        await second.take(patience=0)
    await second.close()

    await world.stop("scheduler")
    await second.take()
    await second.close()


async def test_a_machine_of_anothers_name_does_not_join(world: World) -> None:
    await world.stop("scheduler")
    file = world.settings.work / ".node"
    known = file.read_text()
    file.write_text("another")

    with pytest.raises(Refused, match="Another machine has joined as"):
        await world.start("scheduler")

    file.write_text(known)
    await world.start("scheduler")
