"""One process of a kind at a time: a lock in PostgreSQL, held while its connection stands.

`Sole` refuses a second one. A `Lease` lets it wait: the server ends the connection of a holder that
has said nothing for a while, and the holder knows by its own clock, before that, that it may have
been succeeded.
"""

import asyncio
import logging
import os
import platform
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from zlib import crc32

import asyncpg

from nsml_core.database import AWAY
from nsml_core.errors import Refused, Superseded
from nsml_core.settings import Settings

_PATIENCE_SECONDS = 5.0
_LOOK_SECONDS = 0.2
_CERTAIN = 0.9
"""So much of a lease its holder counts on: clocks differ in how fast they go."""

_BEATS = 5
"""In the time of a lease."""

_WHO = (
    "select application_name from pg_locks join pg_stat_activity using (pid) "
    "where locktype = 'advisory' and objid = $1 and granted and pg_locks.database = "
    "(select oid from pg_database where datname = current_database())"
)
_TRY = "select pg_try_advisory_lock($1)"

_log = logging.getLogger("nsml.sole")


def _number(name: str) -> int:
    return crc32(f"nsml {name}".encode())


def _myself() -> str:
    return f"process {os.getpid()} on {platform.node()}"


class Sole:
    """Holds the lock; while the database is away, nobody can take it."""

    def __init__(self, name: str, url: str) -> None:
        self._name = name
        self._lock = _number(name)
        self._url = url
        self._connection: Any = None

    async def take(self, patience: float = _PATIENCE_SECONDS) -> None:
        """Become the one, or refuse and say who is; one that dies lets go in a moment."""
        self._connection = connection = await asyncpg.connect(
            self._url,
            server_settings={"application_name": _myself()},
        )
        deadline = asyncio.get_running_loop().time() + patience
        while not await connection.fetchval(_TRY, self._lock):
            if asyncio.get_running_loop().time() > deadline:
                who = await connection.fetchval(_WHO, self._lock)
                raise Refused(f"There is a {self._name} already, {who}: end one of the two.")
            await asyncio.sleep(_LOOK_SECONDS)

    async def keep(self) -> None:
        """Take the lock again whenever the database was away, for ever."""
        while True:
            fallen = asyncio.Event()
            self._connection.add_termination_listener(lambda _, event=fallen: event.set())
            if not self._connection.is_closed():
                await fallen.wait()
            _log.warning("PostgreSQL is away, and the lock with it")
            await self._take_again()

    async def _take_again(self) -> None:
        while True:
            try:
                await self.take()
            except (*AWAY, OSError):
                await self.close()
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                return

    async def close(self) -> None:
        """Let go of it."""
        if self._connection is not None:
            with suppress(*AWAY, OSError):
                await self._connection.close(timeout=1)


@asynccontextmanager
async def sole(name: str, settings: Settings) -> AsyncIterator[Sole]:
    """Be the one of this name while the block runs, and `keep` runs beside it."""
    lock = Sole(name, settings.postgres_url)
    try:
        await lock.take()
        yield lock
    finally:
        await lock.close()


class Ended(Exception):
    """A lease has ended: somebody else may have it by now."""


class Lease:
    """Leads among replicas, for as long as it says so in time."""

    def __init__(self, name: str, url: str, seconds: float) -> None:
        self.name = name
        self._url = url
        self._seconds = seconds
        self._until = 0.0
        self._connection: Any = None

    @property
    def is_held(self) -> bool:
        """Whether nobody else can have it yet."""
        return time.monotonic() < self._until

    def check(self) -> None:
        """Refuse to act for one who may have been succeeded."""
        if not self.is_held:
            raise Superseded(f"This {self.name} leads no more; another may have taken over.")

    async def wait(self) -> None:
        """Return once it is ours, however long that takes."""
        while True:
            try:
                self._connection = await self._connect()
                await self._take()
            except (*AWAY, OSError, TimeoutError):
                await self.close()
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                _log.info("leads as %s", self.name)
                return

    async def _connect(self) -> Any:
        milliseconds = str(int(self._seconds * 1000))
        return await asyncpg.connect(
            self._url,
            timeout=self._seconds,
            command_timeout=self._seconds,
            server_settings={
                "application_name": _myself(),
                "idle_session_timeout": milliseconds,
                # Of a holder whose machine is gone the server hears nothing at all.
                "tcp_user_timeout": milliseconds,
                "tcp_keepalives_idle": "1",
                "tcp_keepalives_interval": "1",
                "tcp_keepalives_count": str(max(1, int(self._seconds) - 1)),
            },
        )

    async def _take(self) -> None:
        while not await self._ask(_TRY, _number(self.name)):  # noqa: ASYNC110 - no event of ours
            await asyncio.sleep(_LOOK_SECONDS)

    async def _ask(self, query: str, *values: object) -> bool:
        """Ask the server something, and be sure of the lease for a while if it says yes."""
        asked = time.monotonic()
        answer = bool(await self._connection.fetchval(query, *values))
        if answer:
            self._until = asked + _CERTAIN * self._seconds
        return answer

    async def keep(self) -> None:
        """Hold it; raise `Ended` when it cannot be held any more."""
        try:
            while self.is_held:
                await asyncio.sleep(self._seconds / _BEATS)
                await self._ask("select true")
        except (*AWAY, OSError, TimeoutError) as error:
            raise Ended(f"{self.name}: {error}") from error
        finally:
            self._until = 0.0
        raise Ended(f"{self.name}: it was not renewed in time")

    async def close(self) -> None:
        """Let go of it."""
        self._until = 0.0
        if self._connection is not None:
            with suppress(*AWAY, OSError, TimeoutError):
                await self._connection.close(timeout=1)
