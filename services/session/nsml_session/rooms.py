"""Which devices sessions were given, so that nobody is given what another holds.

The scheduler plans on what it knows. What it asked for just before it was killed may come to pass
after its successor has planned anew: here, where every placement passes, the second is refused.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from nsml_core.entry import Recorded
from nsml_core.errors import Refused
from nsml_core.store import Store
from nsml_protos.session_pb2 import Placed, Session
from nsml_session.state import PLACED, SESSION, current_attempt

Device = tuple[str, str]
"""A node's name and the device's on it."""


class Rooms:
    """Who was given each device last; whether they hold it still, their own state says."""

    def __init__(self, sessions: Store[Session], live: Iterable[Session]) -> None:
        self._sessions = sessions
        self._given: dict[Device, str] = {}
        self._giving = asyncio.Lock()
        for session in live:
            if session.attempts:
                attempt = current_attempt(session)
                self._give(session.name, attempt.node, attempt.devices)

    async def seen(self, entries: list[Recorded]) -> None:
        """Learn of placements that another process of this service wrote before it was gone."""
        for entry in entries:
            for event in entry.events:
                if isinstance(event, Placed):
                    self._give(SESSION.key(entry.subject), event.node, event.devices)

    @asynccontextmanager
    async def giving(self, session: str, node: str, devices: Sequence[str]) -> AsyncIterator[None]:
        """Let a session have devices while the block records it; refuse those that others hold."""
        async with self._giving:
            for device in devices:
                holder = self._given.get((node, device), session)
                if holder != session and await self._holds(holder, node, device):
                    raise Refused(f"Device {device} of {node} is held by {holder}.")
            self._give(session, node, devices)
            yield

    def _give(self, session: str, node: str, devices: Iterable[str]) -> None:
        self._given.update(((node, device), session) for device in devices)

    async def _holds(self, session: str, node: str, device: str) -> bool:
        state = await self._sessions.get(session)
        if state.status not in PLACED:
            return False
        attempt = current_attempt(state)
        return attempt.node == node and device in attempt.devices
