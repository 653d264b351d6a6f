"""Looks after the sessions that hold room: one whose runner is gone is lost."""

import asyncio
import logging
from collections.abc import Collection, Sequence

from nsml_core.caller import Caller
from nsml_core.calls import Call, enter
from nsml_core.clients import Clients, ask
from nsml_core.errors import Error
from nsml_protos.scheduler_pb2 import Work
from nsml_protos.session_pb2 import LoseRequest
from nsml_protos.session_pb2_grpc import PlacementsStub
from nsml_scheduler.cluster import Cluster, claims
from nsml_scheduler.engines.engine import Claim, Engine
from nsml_scheduler.leases import Leases

_ME = Caller("service", "scheduler")
_WATCH_SECONDS = 1.0
_MISSED_LOOKS = 3

_log = logging.getLogger("nsml.scheduler")


class Watch:
    """Renews the leases of nodes, and asks those that answer what has left them."""

    def __init__(
        self,
        cluster: Cluster,
        engine: Engine,
        leases: Leases,
        clients: Clients,
        launching: Collection[str],
    ) -> None:
        self._cluster = cluster
        self._engine = engine
        self._leases = leases
        self._sessions = PlacementsStub(clients.channel("session"))
        self._launching = launching
        self._missing: dict[Claim, int] = {}

    async def run(self) -> None:
        """Look again and again, for ever."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            try:
                await self._look()
            except Error as error:
                _log.warning("%s", error.sentence)

    async def _look(self) -> None:
        await self._leases.join()
        answering = await self._leases.renew()
        works = [work for work in self._cluster.holding() if work.session not in self._launching]
        held = [claim for work in works for claim in claims(work)]
        if answering:  # who does not answer would be waited for
            await self._look_after([claim for claim in held if claim.node in answering])
        for work in works:
            await self._look_at_nodes(work)
        await self._engine.tidy(
            [claim for work in self._cluster.holding() for claim in claims(work)]
        )

    async def _look_after(self, held: Sequence[Claim]) -> None:
        gone = await self._engine.gone(held)
        # Its last word may be on its way: only who is gone at several looks in a row is lost.
        self._missing = {claim: self._missing.get(claim, 0) + 1 for claim in gone}
        for claim in held:
            if self._missing.get(claim, 0) >= _MISSED_LOOKS:
                await self._lose(claim, "its runner is gone")

    async def _look_at_nodes(self, work: Work) -> None:
        """Give up who was on a node that left; of a gang also who is on one that is not heard.

        Who is alone may run on there as if nothing had happened. The others of a gang cannot.
        """
        has_others = {member.rank for member in work.members if not member.lost}
        for claim in claims(work):
            node = self._cluster.nodes.get(claim.node)
            if node is not None and node.removed:
                await self._lose(claim, f"node {claim.node} was removed for good")
            elif claim.rank in has_others and node is not None and node.HasField("lost"):
                await self._lose(claim, f"node {claim.node} is not heard", unheard=True)

    async def _lose(self, claim: Claim, reason: str, *, unheard: bool = False) -> None:
        enter(Call(_ME))
        request = LoseRequest(
            name=claim.session,
            attempt=claim.attempt,
            rank=claim.rank,
            reason=reason,
            unheard=unheard,
        )
        await ask(self._sessions.Lose(request))
