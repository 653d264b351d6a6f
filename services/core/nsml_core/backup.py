"""What a whole home is in one file, in an order in which nothing refers to what is not there.

    secrets/…         what signs tokens, and the local user's token
    log/…             the entries 1 to N
    tables/…          what services keep beside their views: the frames of sessions
    blobs/packs/…     the content

An entry is appended after what it refers to is stored: a checkpoint's blobs before the entry that
names them, the last frames of an attempt before its end. So N is fixed first, and everything else
is read afterwards: it holds all that the entries up to N refer to, and perhaps some more, which
nothing names. The tables are read in one snapshot, taken in the same moment as N, since a frame of
an attempt that N does not know yet would be taken for one of the attempt that later has its number.

The views are left out: they are folded from the log when the home that is made of it starts.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from shutil import disk_usage
from typing import Any

import asyncpg

from nsml_core import stored, tables_kept
from nsml_core.backup_file import FORMAT, Header, Writer, create, write_header
from nsml_core.blobs.pack import SUFFIX
from nsml_core.blobs.shelf import FolderShelf, folder_of
from nsml_core.connection import Connection
from nsml_core.entry import Record, digest
from nsml_core.errors import Damaged, Exhausted, Refused, Unavailable
from nsml_core.jetstream import connected
from nsml_core.tables_kept import Table
from nsml_core.times import iso
from nsml_protos.backup_pb2 import LogPart, LogRecord
from nsml_protos.log_pb2 import Entry

SECRETS = ("secret", "token")
_PART_BYTES = 8 << 20
_SPARE_BYTES = 64 << 20

Bar = Callable[[int, int], None]
"""Shows how much is done of how much, in bytes."""


@dataclass(frozen=True)
class Source:
    """Where the parts of a platform answer."""

    home: Path
    nats_url: str
    postgres_url: str
    blobs_url: str


async def backup(source: Source, file: Path, bar: Bar) -> Header:
    """Write a backup; the platform may run meanwhile."""
    async with (
        connected(source.nats_url, "backup") as client,
        _snapshot(source.postgres_url) as connection,
    ):
        last = await _position(client)
        tables = await tables_kept.find(connection)  # the snapshot is taken with this question
        packs = folder_of(source.blobs_url)
        total = await _measure(client, connection, tables, packs)
        _check_room(file, total)
        header = Header(
            format=FORMAT,
            nsml=version("nsml-core"),
            time=iso(datetime.now(UTC)),
            position=last,
            last_entry=await _time_of_last(client, last),
            blobs="" if packs else source.blobs_url,
        )
        with create(file) as writer:
            write_header(writer, header)
            _add_secrets(writer, source.home)
            await _add_log(writer, stored.records(client, last), last, lambda at: bar(at, total))
            for table in tables:
                await _add_table(writer, connection, table)
                bar(writer.bytes, total)
            for done in _add_packs(writer, packs) if packs else ():
                bar(done, total)
                await asyncio.sleep(0)  # here Ctrl-C is heard
    return header


async def _position(client: Connection) -> int:
    state = await stored.state(client)
    if not state or not state["messages"]:
        raise Refused(
            "The log is empty: there is nothing to back up yet; if it was lost, `nsml down` and "
            "`nsml admin log restore` bring it back."
        )
    if state["messages"] != state["last_seq"]:
        raise Damaged(
            f"The log has lost {state['last_seq'] - state['messages']} entries: `nsml down` and "
            "`nsml admin log restore`, then back up."
        )
    return int(state["last_seq"])


async def _time_of_last(client: Connection, last: int) -> str:
    record = await stored.one(client, last)
    return iso(Entry.FromString(record.data).time.ToDatetime(UTC))


async def _measure(
    client: Connection, connection: Any, tables: list[Table], packs: Path | None
) -> int:
    state = await stored.state(client)
    logged = state["bytes"] if state else 0
    framed = await tables_kept.size(connection, tables)
    return int(logged + framed + sum(map(_size, _packs(packs) if packs else ())))


def _check_room(file: Path, total: int) -> None:
    free = disk_usage(file.parent).free
    if free < total + _SPARE_BYTES:
        raise Exhausted(
            f"The backup takes about {total >> 20} MiB and the disk of {file.parent} has "
            f"{free >> 20} MiB left: free some, or name a file on another disk."
        )


def _add_secrets(writer: Writer, home: Path) -> None:
    for name in SECRETS:
        if (home / name).exists():
            writer.add(f"secrets/{name}", (home / name).read_bytes())


async def _add_log(
    writer: Writer, records: AsyncIterator[Record], last: int, progress: Callable[[int], None]
) -> None:
    number = 0
    async for part in _parts(records, last):
        number += 1
        writer.add(f"log/{number:08}", part.SerializeToString())
        progress(writer.bytes)


async def _parts(records: AsyncIterator[Record], last: int) -> AsyncIterator[LogPart]:
    """Gather entries into parts; what does not follow its chain is not backed up as if it did."""
    part, size, at = LogPart(), 0, 0
    hashes: dict[str, bytes] = {}
    async for record in records:
        at += 1
        follows = Entry.FromString(record.data).previous == hashes.get(record.subject, b"")
        if record.sequence != at or not follows:
            break
        hashes[record.subject] = digest(record.data)
        part.records.append(LogRecord(sequence=at, subject=record.subject, data=record.data))
        size += len(record.data)
        if size > _PART_BYTES or at == last:
            yield part
            part, size = LogPart(), 0
        if at == last:
            return
    raise Damaged(
        f"The log is damaged at entry {at}: `nsml admin log verify` says how; back up when it is "
        "whole again."
    )


async def _add_table(writer: Writer, connection: Any, table: Table) -> None:
    folder = f"tables/{table.full_name}"
    writer.add(f"{folder}/table.json", table.to_json())
    numbers = iter(range(1, 10**8))
    await tables_kept.dump(
        connection, table, lambda part: writer.add(f"{folder}/{next(numbers):08}", part)
    )


def _add_packs(writer: Writer, folder: Path) -> Iterator[int]:
    for path in _packs(folder):
        with path.open("rb") as content:
            writer.add_file(f"blobs/packs/{path.name}", content, os.fstat(content.fileno()).st_size)
        yield writer.bytes


def _packs(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [folder / "packs" / f"{name}{SUFFIX}" for name in sorted(FolderShelf(folder).names())]


def _size(path: Path) -> int:
    return path.stat().st_size


@asynccontextmanager
async def _snapshot(url: str) -> AsyncIterator[Any]:
    try:
        connection = await asyncpg.connect(url)
    except (OSError, asyncpg.PostgresError) as error:
        raise Unavailable(f"PostgreSQL does not answer: {error}.") from None
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield connection
    finally:
        await connection.close()
