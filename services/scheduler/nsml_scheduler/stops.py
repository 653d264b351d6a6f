"""Carries out preemptions: at the session's next checkpoint, if one comes soon enough."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from nsml_core.caller import Caller
from nsml_core.calls import reaction
from nsml_core.clients import ask
from nsml_core.entry import Recorded
from nsml_core.errors import Refused
from nsml_core.tasks import Tasks
from nsml_core.telemetry import Message
from nsml_protos.session_pb2 import CheckpointSaved, PreemptRequest
from nsml_protos.session_pb2_grpc import PlacementsStub
from nsml_scheduler.cluster import Cluster
from nsml_scheduler.state import WORK
from nsml_scheduler.terms import CHECKPOINT_WAIT_SECONDS

_ME = Caller("service", "scheduler")

Wanted = Callable[[], bool]
"""Whether the room is still needed."""


class Stops:
    """Asks sessions to end whose room is needed; they come again by themselves."""

    def __init__(self, cluster: Cluster, sessions: PlacementsStub, tasks: Tasks) -> None:
        self._cluster = cluster
        self._sessions = sessions
        self._tasks = tasks
        self._saved: dict[str, asyncio.Event] = {}

    def begin(self, session: str, reason: str, is_wanted: Wanted) -> None:
        """Begin to stop a session, unless that is under way."""
        if session not in self._cluster.ending:
            self._cluster.ending.add(session)
            attempt = self._cluster.works[session].attempt
            self._tasks.start(partial(self._stop, session, attempt, reason, is_wanted))

    def seen(self, entries: list[Recorded]) -> None:
        """Learn of checkpoints."""
        for entry in entries:
            saved = self._saved.get(WORK.key(entry.subject))
            if saved and any(isinstance(event, CheckpointSaved) for event in entry.events):
                saved.set()

    async def _stop(self, session: str, attempt: int, reason: str, is_wanted: Wanted) -> None:
        await self._wait_for_checkpoint(session, attempt)
        try:
            if is_wanted() and self._holds(session, attempt):
                await self._preempt(session, attempt, reason)
        finally:
            self._cluster.ending.discard(session)

    async def _preempt(self, session: str, attempt: int, reason: str) -> None:
        origin = self._cluster.origins.get(session) or Message(WORK.subject(session))
        with reaction("preempt", _ME, origin), suppress(Refused):  # it has ended meanwhile
            request = PreemptRequest(name=session, attempt=attempt, reason=reason)
            await ask(self._sessions.Preempt(request))

    async def _wait_for_checkpoint(self, session: str, attempt: int) -> None:
        """Let code that saves checkpoints come to its next one; who saves none loses all anyway."""
        if not self._holds(session, attempt) or not self._cluster.works[session].HasField("saved"):
            return
        self._saved[session] = event = asyncio.Event()
        patience = self._cluster.policy.checkpoint_wait_seconds or CHECKPOINT_WAIT_SECONDS
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), patience)
        finally:
            self._saved.pop(session, None)

    def _holds(self, session: str, attempt: int) -> bool:
        work = self._cluster.works.get(session)
        return work is not None and work.attempt == attempt and bool(work.node)
