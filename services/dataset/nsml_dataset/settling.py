"""Frees the slots of submissions whose sessions ended unheard, or never began."""

import asyncio
import logging
from datetime import UTC, datetime

from nsml_core.caller import Caller
from nsml_core.calls import reaction
from nsml_core.clients import ask
from nsml_core.errors import Error, NotFound
from nsml_core.telemetry import Message
from nsml_core.views import View
from nsml_dataset import contestant
from nsml_dataset.contestant import CONTESTANT
from nsml_dataset.judging import Judging
from nsml_dataset.views import contestants_pending
from nsml_protos.board_pb2 import Contestant, Submission
from nsml_protos.session_pb2 import ALLOCATED, QUEUED, RUNNING, SessionRef
from nsml_protos.session_pb2_grpc import SessionsStub

LOOK_SECONDS = 10.0
STARTED_SECONDS = 60.0
"""By then a session that is to be has been taken in."""

_ME = Caller("service", "dataset")
_LIVE = {QUEUED, ALLOCATED, RUNNING}

_log = logging.getLogger("nsml.dataset")


class Settling:
    """The session service says when a session has ended; this is for what it could not say."""

    def __init__(self, judging: Judging, sessions: SessionsStub, view: View) -> None:
        self._judging = judging
        self._sessions = sessions
        self._view = view

    async def run(self) -> None:
        """Look now and then, for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for one, each in contestant.pending(await contestants_pending(self._view)):
                try:
                    await self._look(one, each)
                except Error as error:  # looked at again
                    _log.warning("%s is not settled yet: %s", each.session, error.sentence)

    async def _look(self, one: Contestant, each: Submission) -> None:
        subject = CONTESTANT.subject(contestant.key(one.board, one.owner))
        with reaction("settle", _ME, Message(subject)):
            reason = await self._ended(each)
            if reason is not None:
                await self._judging.settle(one.board, one.owner, each.id, reason)

    async def _ended(self, each: Submission) -> str | None:
        """Return why a submission will not be scored any more; None if it may yet be."""
        try:
            session = await ask(self._sessions.Get(SessionRef(name=each.session)))
        except NotFound:
            session = None
        if session is None or session.spec.purpose.id != each.id:
            waited = datetime.now(UTC) - each.entered.ToDatetime(UTC)
            is_late = waited.total_seconds() > STARTED_SECONDS
            return "It was never started." if is_late else None
        return None if session.status in _LIVE else session.reason or "It ended without a score."
