"""The scheduler service, wired."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

from nsml_core import log_limits, telemetry
from nsml_core.caller import Caller
from nsml_core.calls import Call
from nsml_core.serve import Face, Floor
from nsml_core.settings import Settings
from nsml_core.sole import sole
from nsml_core.store import Store
from nsml_protos import scheduler_pb2
from nsml_protos.scheduler_pb2 import Work
from nsml_protos.scheduler_pb2_grpc import add_SchedulerServicer_to_server
from nsml_scheduler import decide
from nsml_scheduler.cluster import Cluster
from nsml_scheduler.engines.engine import Engine
from nsml_scheduler.engines.local import LocalEngine
from nsml_scheduler.instruments import Occupancy
from nsml_scheduler.leases import Leases
from nsml_scheduler.policy.order import kind
from nsml_scheduler.react import Reactions
from nsml_scheduler.servicer import Own, Scheduler
from nsml_scheduler.state import NODE
from nsml_scheduler.stints import intervals
from nsml_scheduler.terms import POLICY
from nsml_scheduler.translate import job_of
from nsml_scheduler.views import (
    NODES,
    POLICIES,
    kept_by,
    known_nodes,
    known_policy,
    live_works,
    recent_stints,
)
from nsml_scheduler.watch import Watch


@asynccontextmanager
async def lifespan(floor: Floor) -> AsyncIterator[Sequence[Face]]:
    """Serve the scheduler, with the nodes of its engine."""
    log_limits.read()  # runners have our environment: said here, and not by each of them
    async with _alone(floor):
        own = Own(
            Store(floor.log, NODE, floor.view.snapshots(NODES)),
            Store(floor.log, POLICY, floor.view.snapshots(POLICIES)),
        )
        engine = _engine(floor.settings)
        cluster = await _cluster(floor, own, engine)
        await engine.warm()
        reactions = Reactions(cluster, engine, floor.clients)
        leases = Leases(own.nodes, cluster, engine)
        watch = Watch(cluster, engine, leases, floor.clients, reactions.launching)
        reactions.resume()
        floor.view.after(reactions.seen)
        if telemetry.is_on():
            floor.view.after(Occupancy(cluster).seen)
        floor.beside += [reactions.plan, reactions.waits.tell, watch.run]
        yield [
            Face(
                scheduler_pb2.DESCRIPTOR.services_by_name["Scheduler"],
                add_SchedulerServicer_to_server,
                Scheduler(cluster, own, reactions.waits.look, partial(kept_by, floor.view)),
            )
        ]
        await reactions.close()
        await engine.close()


def _engine(settings: Settings) -> Engine:
    """Return what `NSML_ENGINE` says."""
    if settings.engine == "local":
        return LocalEngine(settings)
    from nsml_scheduler.engines.swarm import SwarmEngine  # noqa: PLC0415 - the rest needs no Docker

    return SwarmEngine(settings)


@asynccontextmanager
async def _alone(floor: Floor) -> AsyncIterator[None]:
    """Be the only scheduler; where services have replicas, this one has stood by until it was."""
    if floor.settings.scales_out:
        yield
        return
    async with sole(floor.name, floor.settings) as lock:
        floor.beside.append(lock.keep)
        yield


async def _cluster(floor: Floor, own: Own, engine: Engine) -> Cluster:
    """Return what is known of the cluster, the nodes of its engine among it."""
    known = await floor.view.read(known_nodes)
    nodes = {node.name: node for node in known}
    for joined in engine.nodes(known):
        context = Call(Caller("service", "scheduler")).context()  # each entry has an id of its own
        join = partial(decide.join, joined=joined)
        nodes[joined.name] = await own.nodes.decide(joined.name, context, join)
    cluster = Cluster(
        nodes=nodes,
        works={work.session: work for work in await floor.view.read(live_works)},
    )
    cluster.know_policy(await floor.view.read(known_policy))
    await _remember(floor, cluster)
    return cluster


async def _remember(floor: Floor, cluster: Cluster) -> None:
    """Count what owners used before, and how long sessions ran.

    What is ten half-lives old counts a thousandth.
    """
    since = datetime.now(UTC) - timedelta(seconds=10 * cluster.shares.half_life)
    for stints in await floor.view.read(partial(recent_stints, since=since)):
        times = intervals(stints)
        for interval in times:
            cluster.shares.add(interval)
        if times and stints.session not in cluster.works:
            ran = sum(interval.end - interval.begin for interval in times)
            one = job_of(Work(owner=stints.owner, resources=stints.resources), cluster.policy)
            cluster.lengths.ended(kind(one), ran)
