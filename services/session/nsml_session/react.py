"""What the session service does when something happened to its own sessions.

Wake those who wait for the end, let go of what was remembered of it, stop the gang of who fell,
and free the slot of a submission.
"""

from collections.abc import Callable, Sequence
from functools import partial

from nsml_core.caller import Caller
from nsml_core.calls import reaction
from nsml_core.entry import Recorded
from nsml_core.store import Store
from nsml_core.tasks import Tasks
from nsml_core.telemetry import Message
from nsml_protos.session_pb2 import (
    Completed,
    Failed,
    Lost,
    MemberEnded,
    MemberLost,
    Preempted,
    Session,
    Started,
    Stopped,
)
from nsml_session.attempts_servicer import stop_order
from nsml_session.gangs import why_it_ends
from nsml_session.live import Hub
from nsml_session.orders import Orders
from nsml_session.purposes import is_hidden
from nsml_session.state import LIVE, PLACED, SESSION
from nsml_session.using import Using

ME = Caller("service", "session")

_ENDINGS = (Completed, Failed, Stopped, Lost, Preempted)


class Reactions:
    """Tells listeners that an attempt of a session has begun, or has ended."""

    def __init__(
        self, begun: Hub[None], ended: Hub[None], forget: Sequence[Callable[[str], None]]
    ) -> None:
        self._begun = begun
        self._ended = ended
        self._forget = forget

    async def seen(self, entries: list[Recorded]) -> None:
        """Learn of what happened."""
        for entry in entries:
            if any(isinstance(event, Started) for event in entry.events):
                self._begun.tell(SESSION.key(entry.subject), None)
            if any(isinstance(event, _ENDINGS) for event in entry.events):
                name = SESSION.key(entry.subject)
                self._ended.tell(name, None)
                for forget in self._forget:
                    forget(name)


class Falls:
    """Has the members of a gang stop once one has fallen.

    Whoever told of the fall may not have learnt that it is known, and nobody else says it again.
    """

    def __init__(self, sessions: Store[Session], orders: Orders) -> None:
        self._sessions = sessions
        self._orders = orders

    async def seen(self, entries: list[Recorded]) -> None:
        """Learn of what happened."""
        for entry in entries:
            if any(isinstance(event, MemberEnded | MemberLost) for event in entry.events):
                state = await self._sessions.get(SESSION.key(entry.subject))
                if state.status in PLACED and (reason := why_it_ends(state)):
                    await self._orders.tell(state.name, stop_order(reason))


class Slots:
    """Tells boards that a submission has ended; they look themselves for what they are not told."""

    def __init__(self, sessions: Store[Session], using: Using) -> None:
        self._sessions = sessions
        self._using = using
        self._tasks = Tasks()

    async def seen(self, entries: list[Recorded]) -> None:
        """Learn of what happened."""
        for entry in entries:
            if any(isinstance(event, _ENDINGS) for event in entry.events):
                state = await self._sessions.get(SESSION.key(entry.subject))
                if is_hidden(state.spec) and state.status not in LIVE:
                    self._tasks.start(partial(self._settle, state, entry.message))

    async def _settle(self, state: Session, cause: Message) -> None:
        with reaction("settle", ME, cause):
            await self._using.settle(state)

    async def close(self) -> None:
        """Let what was begun come to its end."""
        await self._tasks.close()
