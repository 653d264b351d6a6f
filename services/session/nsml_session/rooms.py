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
from nsml_protos.gangs import Room, members
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
                self._give(session.name, devices_of(current_attempt(session)))

    async def seen(self, entries: list[Recorded]) -> None:
        """Learn of placements that another process of this service wrote before it was gone."""
        for entry in entries:
            for event in entry.events:
                if isinstance(event, Placed):
                    self._give(SESSION.key(entry.subject), devices_of(event))

    @asynccontextmanager
    async def giving(self, session: str, devices: Sequence[Device]) -> AsyncIterator[None]:
        """Let a session have devices while the block records it; refuse those that others hold."""
        async with self._giving:
            for device in devices:
                holder = self._given.get(device, session)
                if holder != session and await self._holds(holder, device):
                    node, name = device
                    raise Refused(f"Device {name} of {node} is held by {holder}.")
            self._give(session, devices)
            yield

    def _give(self, session: str, devices: Iterable[Device]) -> None:
        self._given.update((device, session) for device in devices)

    async def _holds(self, session: str, device: Device) -> bool:
        state = await self._sessions.get(session)
        return state.status in PLACED and device in devices_of(current_attempt(state))


def devices_of(room: Room) -> list[Device]:
    """Return all devices of an attempt, on all of its nodes."""
    return [(member.node, device) for member in members(room) for device in member.devices]
