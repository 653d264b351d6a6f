"""Injuries to the archive: rows altered by SQL, and bits of the database's own files."""

import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg

from nsml_core.database import DAMAGED, damaged
from nsml_core.errors import Error
from nsml_core.settings import Settings
from nsml_local import servers
from tests.faults.damage_log import Original, look, settings_of
from tests.faults.injuries import Injury, choose
from tests.faults.verdict import Verdict
from tests.folders import remove

_ARCHIVES = ("identity", "dataset", "ledger", "session")
_FLIPPED = "set_byte({0}, {1} % length({0}), get_byte({0}, {1} % length({0})) # {2})"
_ALTERED = ("data", "hash", "subject", "shorter", "elsewhere", "deleted")
_FAR = 100_000
_PATHS = (
    "select pg_relation_filepath(oid) as path from pg_class where relkind in ('r', 'i', 't') and ("
    "relname like 'archive%' or oid in (select reltoastrelid from pg_class "
    "where relname = 'archive')) and pg_relation_size(oid) > 0"
)


@contextmanager
def log_running(original: Original) -> Iterator[Settings]:
    """The log's server on the log as it was written; it is not changed."""
    with servers.nats_server(original.folder):
        at = settings_of(original.folder)
        yield replace(at, postgres_url=original.config.postgres_url)


async def alter(config: Settings, chance: random.Random) -> Verdict:
    """Alter one archived row, ask the platform about it, and put the row back."""
    connection = await asyncpg.connect(config.postgres_url)
    try:
        service, how = chance.choice(_ARCHIVES), chance.choice(_ALTERED)
        archive = f"{service}.archive"
        row = chance.choice(await connection.fetch(f"select * from {archive}"))  # noqa: S608
        harm = Injury(f"{archive} {row['sequence']}", how, chance.randrange(1 << 16))
        await connection.execute(_statement(archive, harm), row["sequence"])
        words = await _words(config)
        await connection.execute(
            f"delete from {archive} where sequence in ($1, $2)",  # noqa: S608
            row["sequence"],
            row["sequence"] + _FAR,
        )
        await connection.execute(f"insert into {archive} values ($1, $2, $3, $4)", *row)  # noqa: S608
        return Verdict(harm, "named" if str(row["sequence"]) in words else "missed", words)
    finally:
        await connection.close()


def _statement(archive: str, harm: Injury) -> str:
    flipped = (harm.at >> 3, 1 << harm.at % 8)
    change = {
        "data": "data = " + _FLIPPED.format("data", *flipped),
        "hash": "hash = " + _FLIPPED.format("hash", *flipped),
        "subject": "subject = subject || 'x'",
        "shorter": "data = substr(data, 1, length(data) - 1)",
        "elsewhere": f"sequence = sequence + {_FAR}",
    }.get(harm.how)
    if change is None:
        return f"delete from {archive} where sequence = $1"  # noqa: S608 - our own names
    return f"update {archive} set {change} where sequence = $1"  # noqa: S608 - (the same)


async def _words(config: Settings) -> str:
    try:
        return await look(config)
    except Error as error:
        return error.sentence
    except DAMAGED as error:
        return damaged(error).sentence


async def files(config: Settings) -> list[str]:
    """Where the archive's tables and indexes are, in the folder of the database."""
    connection: Any = await asyncpg.connect(config.postgres_url)
    try:
        await connection.execute("checkpoint")
        return sorted({row["path"] for row in await connection.fetch(_PATHS)})
    finally:
        await connection.close()


async def injure_files(
    at_rest: Path, paths: list[str], config: Settings, chance: random.Random
) -> Verdict:
    """Do one thing to a copy of a database that is at rest, start it, and ask the platform."""
    folder = Path(tempfile.mkdtemp(prefix="nsml-"))
    try:
        shutil.copytree(at_rest, folder, dirs_exist_ok=True, symlinks=True)
        harm = choose(chance, folder, [folder / "postgres" / path for path in paths])
        harm.do(folder)
        with servers.postgres(folder) as url:
            found = replace(config, postgres_url=url)
            words = await _words(found) or await _read_by_index(found)
        return Verdict(harm, "named" if words else "healed", words)
    finally:
        remove(folder)


async def _read_by_index(config: Settings) -> str:
    """Read as the history of a session is read: by the index over subjects."""
    connection: Any = await asyncpg.connect(config.postgres_url)
    try:
        await connection.execute("set enable_seqscan = off; set enable_sort = off")
        for service in _ARCHIVES:
            await connection.fetch(f"select * from {service}.archive order by subject, sequence")  # noqa: S608
    except DAMAGED as error:
        return damaged(error).sentence
    finally:
        await connection.close()
    return ""
