"""Which devices sessions were given, so that nobody is given what another holds.

The scheduler plans on what it knows. What it asked for just before it was killed may come to pass
after its successor has planned anew: here, where every placement passes, the second is refused.
Replicas of this service agree by rows of a table, which one of them holds while it records.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from nsml_core.database import Pool
from nsml_core.entry import Recorded
from nsml_core.errors import Refused, Unavailable
from nsml_core.store import Store
from nsml_protos.gangs import Room, members
from nsml_protos.session_pb2 import Placed, Session
from nsml_session.state import PLACED, SESSION, current_attempt

Device = tuple[str, str]
"""A node's name and the device's on it."""


_HELD_SECONDS = 3.0
_CERTAIN = 0.75
"""So much of the time that the server lets rows be held is counted on."""


class Rooms:
    """Who was given each device last; whether they hold it still, their own state says."""

    def __init__(
        self, sessions: Store[Session], live: Iterable[Session], pool: "Pool | None" = None
    ) -> None:
        """Know who lives; with a pool, agree with other replicas."""
        self._sessions = sessions
        self._pool = pool
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
    async def giving(
        self, session: str, devices: Sequence[Device]
    ) -> AsyncIterator[Callable[[], None]]:
        """Let a session have devices while the block records it; refuse those that others hold.

        What is yielded is to be called right before: it refuses for one who was too slow.
        """
        async with self._giving:
            for device in devices:
                await self._refuse_if_held(session, self._given.get(device, session), device)
            if self._pool is None:
                self._give(session, devices)
                yield lambda: None
                return
            async with self._agreed(self._pool, session, devices) as check:
                self._give(session, devices)
                yield check

    @asynccontextmanager
    async def _agreed(
        self, pool: Pool, session: str, devices: Sequence[Device]
    ) -> AsyncIterator[Callable[[], None]]:
        async with pool.acquire() as connection, connection.transaction():
            until = time.monotonic() + _HELD_SECONDS
            await connection.execute(_PATIENCE, str(int(_HELD_SECONDS * 1000 / _CERTAIN)))
            for device in sorted(devices):
                holder = await connection.fetchval(_HOLD, *device, session)
                await self._refuse_if_held(session, holder, device)
            await connection.executemany(_GIVE, [(*device, session) for device in devices])
            yield lambda: _check(until)

    async def _refuse_if_held(self, session: str, holder: str, device: Device) -> None:
        if holder != session and await self._holds(holder, device):
            node, name = device
            raise Refused(f"Device {name} of {node} is held by {holder}.")

    def _give(self, session: str, devices: Iterable[Device]) -> None:
        self._given.update((device, session) for device in devices)

    async def _holds(self, session: str, device: Device) -> bool:
        state = await self._sessions.get(session)
        return state.status in PLACED and device in devices_of(current_attempt(state))


def devices_of(room: Room) -> list[Device]:
    """Return all devices of an attempt, on all of its nodes."""
    return [(member.node, device) for member in members(room) for device in member.devices]


def _check(until: float) -> None:
    if time.monotonic() > until:
        raise Unavailable(
            "This placement took too long, and others may have gone ahead; try again."
        )


async def make(connection: Any) -> None:
    """Make the table if it is not there."""
    await connection.execute(_TABLE)


_TABLE = (
    "create table if not exists session_frames.room "
    "(node text, device text, session text not null, primary key (node, device))"
)
_PATIENCE = "select set_config('idle_in_transaction_session_timeout', $1, true)"
_HOLD = (
    "insert into session_frames.room values ($1, $2, $3) "
    "on conflict (node, device) do update set session = room.session returning session"
)
_GIVE = "update session_frames.room set session = $3 where node = $1 and device = $2"
