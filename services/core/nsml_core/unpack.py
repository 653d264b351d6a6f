"""A home made of a backup: its log, its tables, its blobs and its secrets."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import asyncpg

from nsml_core import tables_kept
from nsml_core.backup import SECRETS
from nsml_core.backup_file import Member, members
from nsml_core.blobs.disk import room_for
from nsml_core.blobs.shelf import FolderShelf, sync_folder
from nsml_core.entry import Record
from nsml_core.errors import Damaged
from nsml_core.jetstream import connected
from nsml_core.republish import republish
from nsml_protos.backup_pb2 import LogPart

_PACK = re.compile(r"[0-9a-f]{64}\.pack")
_PIECE = 4 << 20


@dataclass(frozen=True)
class Target:
    """An empty home, and its servers, which hold nothing yet."""

    home: Path
    nats_url: str
    postgres_url: str


async def unpack(file: Path, target: Target, progress: Callable[[int], None]) -> None:
    """Make everything that a verified backup holds."""
    with room_for(f"the home {target.home}"):
        for folder, inside in groupby(_told(file, progress), _folder):
            await _make(target, folder, inside)


def _folder(member: Member) -> str:
    return member.name.rpartition("/")[0]


async def _make(target: Target, folder: str, inside: Iterator[Member]) -> None:
    match folder.split("/"):
        case ["log"]:
            await _fill_log(target.nats_url, inside)
        case ["tables", _]:
            await _fill_table(target.postgres_url, inside)
        case ["blobs", "packs"]:
            await _write_packs(target.home / "blobs", inside)
        case ["secrets"]:
            _write_secrets(target.home, inside)
        case _:
            for _ in inside:
                """The header and the list, which have been read before."""


def _told(file: Path, progress: Callable[[int], None]) -> Iterator[Member]:
    done = 0
    for member in members(file):
        yield member
        done += member.size
        progress(done)


async def _fill_log(url: str, inside: Iterable[Member]) -> None:
    async with connected(url, "restore") as client:
        await republish(client, _records(inside))


async def _records(inside: Iterable[Member]) -> AsyncIterator[Record]:
    for member in inside:
        for one in LogPart.FromString(member.content.read()).records:
            yield Record(one.sequence, one.subject, one.data)


async def _fill_table(url: str, inside: Iterator[Member]) -> None:
    table = tables_kept.from_json(next(inside).content.read())
    connection = await asyncpg.connect(url)
    try:
        await tables_kept.load(connection, table, _contents(inside))
    finally:
        await connection.close()


async def _contents(inside: Iterable[Member]) -> AsyncIterator[bytes]:
    for member in inside:
        yield member.content.read()


async def _write_packs(folder: Path, inside: Iterable[Member]) -> None:
    FolderShelf(folder)
    packs = folder / "packs"
    for member in inside:
        name = member.name.rpartition("/")[2]
        if not _PACK.fullmatch(name):
            raise Damaged(f"The backup names a pack {name!r} that cannot be one.")
        _write(packs / name, member, 0o400)
        await asyncio.sleep(0)  # here Ctrl-C is heard
    sync_folder(packs)


def _write_secrets(home: Path, inside: Iterable[Member]) -> None:
    for member in inside:
        name = member.name.rpartition("/")[2]
        if name in SECRETS:
            _write(home / name, member, 0o600)


def _write(path: Path, member: Member, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        while piece := member.content.read(_PIECE):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
