"""The views' database: connecting to it, and telling that it is away from that a query is wrong."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg

from nsml_core.errors import Damaged, Unavailable
from nsml_core.settings import Settings

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

STORED_POSITION = "select sequence from nsml.position where view = $1"


class Rewound(Exception):
    """The database fell before what it had taken last was on its disk."""


AWAY = (
    Rewound,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server ended in the middle of an answer
    asyncpg.DiskFullError,
    asyncpg.IdleInTransactionSessionTimeoutError,  # we were not let run for long
    asyncpg.IdleSessionTimeoutError,
    ConnectionError,
)
"""What asyncpg raises while the server is being restarted, or has been since, or has no room."""

DAMAGED = (asyncpg.DataCorruptedError, asyncpg.IndexCorruptedError)
"""What asyncpg raises when the server finds that its files are not what it wrote."""

UNREACHED = tuple(kind for kind in AWAY if kind is not ConnectionError)
"""Those of them that only this server can be meant by."""

_STARTING_SECONDS = 30.0
_RESTARTING_SECONDS = 5.0


@asynccontextmanager
async def connect_pool(settings: Settings) -> AsyncIterator[Pool]:
    """Connect to the views' database, waiting for one that starts beside us, now and later."""
    await (await _connect(settings.postgres_url, patience=_STARTING_SECONDS)).close()
    pool = await asyncpg.create_pool(
        settings.postgres_url,
        min_size=1,
        max_size=5,
        max_inactive_connection_lifetime=0,
        connect=_connect,
        reset=_nothing,
    )
    try:
        yield pool
    finally:
        await asyncio.wait_for(pool.close(), 5)


@asynccontextmanager
async def making(pool: Pool, schema: str) -> AsyncIterator[Any]:
    """Give a connection to make the tables of a schema by, which is there then.

    One process does so at a time, as replicas start together: PostgreSQL's own `if not exists`
    fails for the second of two who make the same at once.
    """
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("select pg_advisory_xact_lock(hashtext($1))", schema)
        await connection.execute(f"create schema if not exists {schema}")
        yield connection


async def make_tables(pool: Pool, schema: str, *statements: str) -> None:
    """Make the tables of a schema that are not there."""
    async with making(pool, schema) as connection:
        for statement in statements:
            await connection.execute(statement)


async def while_it_stands(pool: Pool, work: Coroutine[Any, Any, None]) -> None:
    """Do some work that never ends; raise what it raises, or `Rewound` when the server falls.

    What the server had taken last may be gone then, and nobody else would notice who does not ask.
    """
    both = [asyncio.create_task(work), asyncio.create_task(_fall(pool))]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in both:
            if task.done():
                task.result()
    finally:
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)


async def _fall(pool: Pool) -> None:
    fallen = asyncio.Event()
    async with pool.acquire() as connection:
        connection.add_termination_listener(lambda _: fallen.set())
        await fallen.wait()
    raise Rewound("it fell, and may have lost what it had taken last")


async def _nothing(_: Any) -> None:
    """Our transactions leave nothing on a connection; asyncpg would ask the server to tidy it."""


async def _connect(*where: Any, patience: float = _RESTARTING_SECONDS, **how: Any) -> Any:
    deadline = asyncio.get_running_loop().time() + patience
    while True:
        try:
            return await asyncpg.connect(*where, **how)
        except (OSError, asyncpg.OperatorInterventionError, asyncpg.PostgresConnectionError):
            if asyncio.get_running_loop().time() > deadline:
                raise asyncpg.CannotConnectNowError(away().sentence) from None
            await asyncio.sleep(0.05)


def away(error: BaseException | None = None) -> Unavailable:
    """Return the error that callers get while the database is away, or has no room."""
    if isinstance(error, asyncpg.DiskFullError):
        return Unavailable("There is no room on the disk for PostgreSQL: free some space.")
    return Unavailable("PostgreSQL does not answer: look at logs/postgres.log in NSML_HOME.")


def damaged(error: Exception) -> Damaged:
    """Return the error that people get when the database is damaged."""
    return Damaged(
        f"PostgreSQL finds its files damaged ({error}): `nsml down`, and bring back a backup, or "
        "move the home's postgres folder away, which loses the logs and metrics of sessions."
    )
