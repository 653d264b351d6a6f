"""What the scheduler does when something happened: plan anew, and place who has room."""

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from nsml_core.caller import Caller
from nsml_core.calls import current, reaction, step
from nsml_core.clients import Clients, ask
from nsml_core.entry import Recorded
from nsml_core.errors import Exhausted, Refused, Unavailable
from nsml_core.tasks import Tasks
from nsml_core.telemetry import Message
from nsml_protos.gangs import members
from nsml_protos.identity_pb2 import IssueRunnerTokenRequest
from nsml_protos.identity_pb2_grpc import IdentityStub
from nsml_protos.ledger_pb2 import CancelHoldRequest, HoldRequest
from nsml_protos.ledger_pb2_grpc import LedgerStub
from nsml_protos.scheduler_pb2 import Work
from nsml_protos.session_pb2 import (
    CheckpointSaved,
    Completed,
    Failed,
    Lost,
    Placed,
    PlaceRequest,
    Preempted,
    Started,
    Stopped,
)
from nsml_protos.session_pb2_grpc import PlacementsStub, SessionsStub
from nsml_scheduler.cluster import Cluster, Placement, claims
from nsml_scheduler.engines.engine import Claim, Engine, Ticket
from nsml_scheduler.followers import Followers
from nsml_scheduler.policy.plan import Wait
from nsml_scheduler.state import NODE, WORK
from nsml_scheduler.stops import Stops
from nsml_scheduler.terms import POLICY
from nsml_scheduler.waits import REST, Waits

_ME = Caller("service", "scheduler")
_LOOK_SECONDS = 5.0
"""Who waits is looked at so often though nothing happened: who runs may be stopped by now."""

_CREDIT = "waits for credit"
_NO_CREDIT = f"NOT_ENOUGH_CREDIT: {_CREDIT}"
_AWAY = "a part of the platform does not answer: `nsml status` shows which"
_RETRY_SECONDS = 5.0

_SAME_ROOM = frozenset({Placed, Started, CheckpointSaved})
"""Events that leave who waits and what is free as they were: they ask for no other plan."""

_NEWS = NODE.kinds | POLICY.kinds | WORK.kinds - _SAME_ROOM

_BEGUN = (Started, Completed, Failed, Stopped, Lost, Preempted)
_STARTS_AT_ONCE = max(4, 2 * (os.cpu_count() or 1))
"""More runners at once start no sooner, and leave the services no time to take requests."""

_START_SECONDS = 2.0
"""How long a runner keeps others from starting: it may be building an environment."""


class Reactions:
    """Turns what happened into placements."""

    def __init__(self, cluster: Cluster, engine: Engine, clients: Clients) -> None:
        self._cluster = cluster
        self._engine = engine
        self._identity = IdentityStub(clients.channel("identity"))
        self._ledger = LedgerStub(clients.channel("ledger"))
        self._sessions = PlacementsStub(clients.channel("session"))
        self._tasks = Tasks()
        self._news = asyncio.Event()
        self._news.set()
        self.launching: set[str] = set()
        """Sessions whose runners are being started."""

        self.waits = Waits(cluster, self._sessions)
        self._stops = Stops(cluster, self._sessions, self._tasks)
        self._followers = Followers(cluster, SessionsStub(clients.channel("session")), self._tasks)
        self._starts = asyncio.Semaphore(_STARTS_AT_ONCE)
        self._starting: dict[str, asyncio.Event] = {}

    def resume(self) -> None:
        """Start the runners that were placed, and not started before a restart."""
        for work in self._cluster.holding():
            unclaimed = [claim for claim in claims(work) if not self._engine.was_claimed(claim)]
            if unclaimed:
                self.launching.add(work.session)
                self._tasks.start(partial(self._launch_again, work, unclaimed))

    async def _launch_again(self, work: Work, unclaimed: Sequence[Claim]) -> None:
        try:
            with reaction("launch again", _ME, self._origin(work.session)):
                await self._launch(unclaimed, len(claims(work)))
        finally:
            self.launching.discard(work.session)

    async def seen(self, entries: list[Recorded]) -> None:
        """Learn of what happened."""
        self._cluster.learn(entries)
        for entry in entries:
            starting = self._starting.get(WORK.key(entry.subject))
            if starting and any(isinstance(event, _BEGUN) for event in entry.events):
                starting.set()
        self._stops.seen(entries)
        if any(type(event) in _NEWS for entry in entries for event in entry.events):
            self._news.set()

    async def plan(self) -> None:
        """Plan whenever there is news, for ever."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), _LOOK_SECONDS)
            self._news.clear()
            start = time.monotonic()
            self._plan()
            await asyncio.sleep(REST * (time.monotonic() - start))

    def _plan(self) -> None:
        """Begin every placement that the plan finds."""
        plan = self._cluster.plan(time.time())
        for placement in map(self._cluster.placement, plan.starts):
            self._cluster.under_way[placement.session] = placement
            self._tasks.start(partial(self._place_or_say, placement))
        for stop in plan.stops:
            self._make_room(stop.job.id, stop.makes_room_for)
        self._drain()
        self._followers.look(self._news.set)

    def _make_room(self, session: str, beneficiary: str) -> None:
        """Begin to stop a session for another; not if that one has found room by then."""

        def waits() -> bool:
            work = self._cluster.works.get(beneficiary)
            return work is not None and not work.node and not work.stopping

        self._stops.begin(session, f"its room is needed by {beneficiary}", waits)

    def _drain(self) -> None:
        """Begin to stop what runs on nodes that are to be empty now."""
        for work in self._cluster.holding():
            for member in members(work):
                node = self._cluster.nodes.get(member.node)
                if node is not None and node.drain_now and not work.stopping:
                    reason = f"node {node.name} is drained"
                    self._stops.begin(work.session, reason, partial(self._is_drained, node.name))

    def _is_drained(self, node: str) -> bool:
        return self._cluster.nodes[node].drain_now

    def _origin(self, session: str) -> Message:
        """Return the entry that brought a session here; after a restart that is forgotten."""
        return self._cluster.origins.get(session) or Message(WORK.subject(session))

    async def _place_or_say(self, placement: Placement) -> None:
        """Place a session; what it takes and does not answer is why it waits."""
        try:
            await self._place(placement)
        except Unavailable:
            self._tasks.start(partial(self.waits.say, Wait(placement.session, _AWAY)))
            raise
        except Exhausted as full:  # nobody can write that down in the log either
            await self._park(placement, full.sentence)

    async def _place(self, placement: Placement) -> None:
        async with self._starts:
            self._starting[placement.session] = begun = asyncio.Event()
            try:
                with reaction("place", _ME, self._origin(placement.session)):
                    held = await self._hold(placement)
                    if not held or not await self._start_or_give_up(placement):
                        begun.set()
                with suppress(TimeoutError):
                    await asyncio.wait_for(begun.wait(), _START_SECONDS)
            finally:
                # Stopped and resumed within a moment, it is being placed a second time by now.
                if self._starting.get(placement.session) is begun:
                    del self._starting[placement.session]
        if not held:
            await self._wait_for_credit(placement)

    async def _start_or_give_up(self, placement: Placement) -> bool:
        """Return whether a runner was started."""
        self.launching.add(placement.session)
        try:
            await self._start(placement)
        except Refused:  # it was stopped while we looked for room, or another has the room
            await self._give_up(placement)
            return False
        finally:
            self.launching.discard(placement.session)
        return True

    async def _hold(self, placement: Placement) -> bool:
        reply = await ask(
            self._ledger.PlaceHold(
                HoldRequest(
                    owner=placement.owner,
                    session=placement.session,
                    attempt=placement.attempt,
                    gpus=placement.resources.gpus * len(placement.members),
                    cpus=placement.resources.cpus * len(placement.members),
                )
            )
        )
        return reply.enough

    async def _wait_for_credit(self, placement: Placement) -> None:
        self._tasks.start(partial(self.waits.say, Wait(placement.session, _NO_CREDIT)))
        await self._park(placement, _CREDIT)

    async def _park(self, placement: Placement, why: str) -> None:
        """Let one that cannot be placed hold no room for a while; then it is planned for anew."""
        self._cluster.parked[placement.session] = why
        self._cluster.under_way.pop(placement.session, None)
        self._news.set()
        await asyncio.sleep(_RETRY_SECONDS)
        self._cluster.parked.pop(placement.session, None)
        self._news.set()

    async def _start(self, placement: Placement) -> None:
        first = placement.members[0]
        await ask(
            self._sessions.Place(
                PlaceRequest(
                    name=placement.session,
                    attempt=placement.attempt,
                    node=first.node,
                    devices=first.devices,
                    members=placement.members if len(placement.members) > 1 else (),
                    because=placement.because,
                )
            )
        )
        await self._launch(
            [
                Claim(placement.session, placement.attempt, member.node, member.rank)
                for member in placement.members
            ],
            len(placement.members),
        )

    async def _launch(self, of_one: Sequence[Claim], size: int) -> None:
        """Start runners of one session, side by side."""
        await asyncio.gather(*(self._launch_one(claim, size) for claim in of_one))

    async def _launch_one(self, claim: Claim, size: int) -> None:
        reply = await ask(
            self._identity.IssueRunnerToken(
                IssueRunnerTokenRequest(
                    session=claim.session, attempt=claim.attempt, rank=claim.rank
                )
            )
        )
        with step("start runner") as span:
            request_id = current().request_id
            await self._engine.start(Ticket(claim, reply.token, request_id, span.traceparent, size))

    async def _give_up(self, placement: Placement) -> None:
        self._cluster.under_way.pop(placement.session, None)
        await ask(
            self._ledger.CancelHold(
                CancelHoldRequest(
                    owner=placement.owner, session=placement.session, attempt=placement.attempt
                )
            )
        )
        self._news.set()

    async def close(self) -> None:
        """Let what was begun come to its end."""
        await self._tasks.close()
