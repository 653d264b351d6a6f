"""One process of a kind at a time: a lock in PostgreSQL, held while its connection stands."""

import asyncio
import logging
import os
import platform
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from zlib import crc32

import asyncpg

from nsml_core.database import AWAY
from nsml_core.errors import Refused
from nsml_core.settings import Settings

_PATIENCE_SECONDS = 5.0
_LOOK_SECONDS = 0.2
_WHO = (
    "select application_name from pg_locks join pg_stat_activity using (pid) "
    "where locktype = 'advisory' and objid = $1 and granted and pg_locks.database = "
    "(select oid from pg_database where datname = current_database())"
)

_log = logging.getLogger("nsml.sole")


class Sole:
    """Holds the lock; while the database is away, nobody can take it."""

    def __init__(self, name: str, url: str) -> None:
        self._name = name
        self._lock = crc32(f"nsml {name}".encode())
        self._url = url
        self._connection: Any = None

    async def take(self, patience: float = _PATIENCE_SECONDS) -> None:
        """Become the one, or refuse and say who is; one that dies lets go in a moment."""
        self._connection = connection = await asyncpg.connect(
            self._url,
            server_settings={"application_name": f"process {os.getpid()} on {platform.node()}"},
        )
        deadline = asyncio.get_running_loop().time() + patience
        while not await connection.fetchval("select pg_try_advisory_lock($1)", self._lock):
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
