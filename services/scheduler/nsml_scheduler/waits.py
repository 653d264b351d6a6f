"""Tells those who wait why; who waits but a moment is told nothing."""

import asyncio
import logging
import time

from nsml_core.caller import Caller
from nsml_core.calls import reaction
from nsml_core.clients import ask
from nsml_core.errors import Error
from nsml_core.telemetry import Message
from nsml_protos.session_pb2 import WaitRequest
from nsml_protos.session_pb2_grpc import PlacementsStub
from nsml_scheduler.cluster import Cluster
from nsml_scheduler.policy.plan import Wait
from nsml_scheduler.state import WORK
from nsml_scheduler.translate import timestamp

_ME = Caller("service", "scheduler")
_TELL_SECONDS = 0.5
_TOLD_AT_ONCE = 25
"""A reason to wait is an entry in the log: so many are told at a time, first come first."""

REST = 4
"""Looking at a long queue takes long: the rest after it is so many times as long."""

_HOLDERS_MAX = 8
"""Who waits is told of so many that hold room."""

_log = logging.getLogger("nsml.scheduler")


class Waits:
    """Writes down why each session waits, whenever the reason changes, and what was so then."""

    def __init__(self, cluster: Cluster, sessions: PlacementsStub) -> None:
        self._cluster = cluster
        self._sessions = sessions
        self._told: dict[str, str] = {}
        self._rests_until = 0.0

    def look(self) -> None:
        """See why each waits now, if the last look is not too fresh."""
        start = time.monotonic()
        if start >= self._rests_until:
            self._cluster.explain(time.time())
            end = time.monotonic()
            self._rests_until = end + REST * (end - start)

    async def tell(self) -> None:
        """Tell whoever has not been told what is so now, for ever."""
        while True:
            await asyncio.sleep(_TELL_SECONDS)
            self.look()
            waits = list(self._cluster.waits.values())
            self._told = {wait.job: self._told.get(wait.job, "") for wait in waits}
            news = [wait for wait in waits if self._told[wait.job] != wait.reason]
            for wait in news[:_TOLD_AT_ONCE]:
                try:
                    await self.say(wait)
                    self._told[wait.job] = wait.reason
                except Error as error:
                    _log.warning("%s: %s", wait.job, error.sentence)

    async def say(self, wait: Wait) -> None:
        """Tell one why it waits."""
        origin = self._cluster.origins.get(wait.job) or Message(WORK.subject(wait.job))
        request = WaitRequest(
            name=wait.job,
            reason=wait.reason,
            position=wait.position,
            queue_length=len(self._cluster.queue()),
            holders=self._holders(wait.job),
            estimate=None if wait.estimate is None else timestamp(wait.estimate),
        )
        with reaction("defer", _ME, origin):
            await ask(self._sessions.Wait(request))

    def _holders(self, session: str) -> list[str]:
        """Name some of those who hold what it needs: devices, or else cores and memory."""
        need = self._cluster.works[session].resources if session in self._cluster.works else None
        holding = self._cluster.holding()
        if need is not None and need.gpus:
            holding = [work for work in holding if work.devices]
        return sorted(work.session for work in holding)[:_HOLDERS_MAX]
