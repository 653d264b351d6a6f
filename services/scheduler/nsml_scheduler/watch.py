"""Looks after the sessions that hold room: one whose runner is gone is lost."""

import asyncio
import logging
from collections.abc import Collection

from nsml_core.caller import Caller
from nsml_core.calls import Call, enter
from nsml_core.clients import Clients, ask
from nsml_core.errors import Error
from nsml_protos.scheduler_pb2 import Work
from nsml_protos.session_pb2 import LoseRequest
from nsml_protos.session_pb2_grpc import PlacementsStub
from nsml_scheduler.cluster import Cluster
from nsml_scheduler.engines.engine import Engine
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
        self._missing: dict[tuple[str, int], int] = {}

    async def run(self) -> None:
        """Look again and again, for ever."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            try:
                await self._look()
            except Error as error:
                _log.warning("%s", error.sentence)

    async def _look(self) -> None:
        answering = await self._leases.renew()
        silent = self._cluster.nodes.keys() - answering
        works = [work for work in self._cluster.holding() if work.session not in self._launching]
        if answering:  # who does not answer would be waited for
            await self._look_after([work for work in works if work.node not in silent])
        for work in works:
            node = self._cluster.nodes.get(work.node)
            if node is not None and node.removed:
                await self._lose(work, f"node {work.node} was removed for good")

    async def _look_after(self, works: list[Work]) -> None:
        gone = await self._engine.gone([(work.session, work.attempt) for work in works])
        # Its last word may be on its way: only who is gone at several looks in a row is lost.
        self._missing = {key: self._missing.get(key, 0) + 1 for key in gone}
        for work in works:
            if self._missing.get((work.session, work.attempt), 0) >= _MISSED_LOOKS:
                await self._lose(work, "its runner is gone")

    async def _lose(self, work: Work, reason: str) -> None:
        enter(Call(_ME))
        await ask(
            self._sessions.Lose(LoseRequest(name=work.session, attempt=work.attempt, reason=reason))
        )
