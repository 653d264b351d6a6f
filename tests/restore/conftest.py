"""A log of forty entries with its archive, and what can be done to either."""

from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from nsml_core import stored
from nsml_core.entry import Record
from nsml_core.jetstream import api, connected
from nsml_core.log import STREAM, SUBJECTS, Log
from nsml_core.restore import Source
from nsml_core.settings import Settings
from nsml_local import servers
from nsml_protos.log_pb2 import Entry
from tests.conftest import opened
from tests.core.examples import SCHEMA
from tests.core.test_views import register

_DELETABLE = {"subjects": [SUBJECTS], "storage": "file", "allow_direct": True}


@pytest.fixture
async def source(the_log: Log, config: Settings) -> Source:
    """Twenty people who registered twice: forty entries, all of them archived."""
    await register(the_log, 20)
    async with opened(config, SCHEMA, the_log):
        return Source(config.nats_url, config.postgres_url)


@pytest.fixture
def fresh(short_path: Path) -> Iterator[str]:
    """A log's server without a log."""
    with servers.nats_server(short_path / "fresh") as url:
        yield url


async def sql(source: Source, statement: str) -> str:
    """Do something to the archive."""
    connection = await asyncpg.connect(source.postgres_url)
    try:
        return await connection.execute(statement)
    finally:
        await connection.close()


async def lose(source: Source, *sequences: int, altered: int = 0) -> None:
    """Take entries out of the log, as a server does with what it cannot read; alter one of them."""
    async with connected(source.nats_url, "test") as client:
        kept = [record async for record in stored.records(client)]
        await api(client, f"STREAM.DELETE.{STREAM}")
        await api(client, f"STREAM.CREATE.{STREAM}", {**_DELETABLE, "name": STREAM})
        for record in kept:
            is_good = record.sequence != altered
            await client.request(record.subject, record.data if is_good else _altered(record.data))
        for sequence in sequences:
            await api(client, f"STREAM.MSG.DELETE.{STREAM}", {"seq": sequence})


def _altered(data: bytes) -> bytes:
    """Return the entry as if somebody else had decided it."""
    entry = Entry.FromString(data)
    entry.actor = "user:mallory"
    return entry.SerializeToString(deterministic=True)


async def entries(url: str) -> list[Record]:
    """Everything that a log holds."""
    async with connected(url, "test") as client:
        return [record async for record in stored.records(client)]


def quiet(_: str) -> None:
    """Progress that nobody watches."""


def watch(told: list[tuple[int, int]]) -> Callable[[int, int], None]:
    """Return a bar that writes down what it is told."""
    return lambda done, total: told.append((done, total))
