"""A backup: what goes in comes out, and a file that is not what was written makes no home."""

import asyncio
import io
import json
import os
import resource
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from nsml_core import backup, backup_file, tables_kept
from nsml_core.backup import Source
from nsml_core.backup_file import Header
from nsml_core.blobs.pack import seal
from nsml_core.errors import AlreadyExists, Damaged, Error, Exhausted, Invalid, Refused
from nsml_core.log import Log
from nsml_core.restore import Source as LogSource
from nsml_core.unpack import Target, unpack
from nsml_local import backups, processes
from tests.restore.conftest import entries, lose, quiet, sql, watch

FRAMES = """
create schema session_frames;
create table session_frames.frame
(name text, number bigint, data bytea, primary key (name, number));
create index on session_frames.frame (number);
create table session_frames.none (name text);
insert into session_frames.frame select 'ann/x/1', n, sha256(n::text::bytea) from
generate_series(1, 3000) n
"""
PACK = f"{seal([], [])[0]}.pack"


@pytest.fixture
async def whole(source: LogSource, short_path: Path) -> Source:
    """A platform with entries, frames, a pack and secrets."""
    await sql(source, FRAMES)
    home = short_path / "home"
    (home / "blobs" / "packs").mkdir(parents=True)
    (home / "blobs" / "packs" / PACK).write_bytes(os.urandom(300_000))
    (home / "secret").write_bytes(b"s" * 32)
    (home / "token").write_text("t")
    return Source(home, source.nats_url, source.postgres_url, f"file://{home}/blobs")


@pytest.fixture
async def file(whole: Source, short_path: Path) -> Path:
    """Its backup."""
    file = short_path / "all.tar"
    await backup.backup(whole, file, watch([]))
    return file


@pytest.fixture
async def other_database_url(database_url: str) -> AsyncIterator[str]:
    """A database that nobody has used."""
    name = f"{database_url.partition('?')[0].rpartition('/')[2]}_other"
    admin = await asyncpg.connect(database_url)
    await admin.execute(f"create database {name}")
    yield database_url.replace(name.removesuffix("_other") + "?", f"{name}?")
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()


async def frames(url: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("select * from session_frames.frame order by number")
        indexes = await connection.fetch(
            "select indexdef from pg_indexes where schemaname = 'session_frames' order by 1"
        )
        empty = await connection.fetchval("select count(*) from session_frames.none")
        return [*map(tuple, rows), *map(tuple, indexes), (empty,)]
    finally:
        await connection.close()


async def test_what_goes_in_comes_out(
    whole: Source, short_path: Path, fresh: str, other_database_url: str
) -> None:
    file, home, told = short_path / "all.tar", short_path / "new", list[tuple[int, int]]()
    home.mkdir()

    header = await backup.backup(whole, file, watch(told))
    checked = backups.check(file, watch([]))
    await unpack(file, Target(home, fresh, other_database_url), lambda _: None)

    assert header == checked
    assert (header.position, header.blobs, header.format) == (40, "", 1)
    assert (file.stat().st_mode & 0o777, told[-1][0] > 300_000) == (0o600, True)
    assert await entries(fresh) == await entries(whole.nats_url)
    assert await frames(other_database_url) == await frames(whole.postgres_url)
    pack = home / "blobs" / "packs" / PACK
    assert pack.read_bytes() == (whole.home / "blobs" / "packs" / PACK).read_bytes()
    assert pack.stat().st_mode & 0o777 == 0o400
    for name in ("secret", "token"):
        assert (home / name).read_bytes() == (whole.home / name).read_bytes()
        assert (home / name).stat().st_mode & 0o777 == 0o600


async def test_blobs_in_an_object_store_stay_there(whole: Source, short_path: Path) -> None:
    away = Source(whole.home, whole.nats_url, whole.postgres_url, "s3://bucket/blobs")

    header = await backup.backup(away, short_path / "all.tar", watch([]))

    assert header.blobs == "s3://bucket/blobs"
    with tarfile.open(short_path / "all.tar") as tar:
        assert not [name for name in tar.getnames() if name.startswith("blobs/")]


async def test_refused_and_nothing_is_left(whole: Source, file: Path, short_path: Path) -> None:
    with pytest.raises(AlreadyExists, match="is there already"):
        await backup.backup(whole, file, watch([]))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(Exhausted, match="There is no room on the disk for the backup"):
            await backup.backup(whole, short_path / "more.tar", watch([]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(path.name for path in short_path.glob("*.tar*")) == ["all.tar"]


async def test_a_damaged_log_is_not_backed_up_as_if_it_were_whole(
    whole: Source, source: LogSource, short_path: Path
) -> None:
    await lose(source, altered=7)
    with pytest.raises(Damaged, match="The log is damaged at entry 27"):
        await backup.backup(whole, short_path / "altered.tar", watch([]))
    await lose(source, 9)
    with pytest.raises(Damaged, match="The log has lost 1 entries"):
        await backup.backup(whole, short_path / "lost.tar", watch([]))

    assert list(short_path.glob("*.tar*")) == []


async def test_an_empty_log_is_nothing_to_back_up(
    the_log: Log, database_url: str, short_path: Path
) -> None:
    url = the_log.client.connected_url
    assert url
    nothing = Source(short_path, url.geturl(), database_url, "file:///nowhere")

    with pytest.raises(Refused, match="nothing to back up yet"):
        await backup.backup(nothing, short_path / "all.tar", watch([]))


def test_damaged_files_make_no_home(file: Path, short_path: Path) -> None:
    content = file.read_bytes()
    with tarfile.open(file) as tar:
        at = {info.name: info.offset_data for info in tar}

    def refusal(damaged: bytes) -> str:
        file.write_bytes(damaged)
        with pytest.raises(Error) as refused:
            backups.restore(short_path / "new", file, quiet, watch([]))
        assert not (short_path / "new").exists()
        assert not list(short_path.glob(".new*"))
        return refused.value.sentence.replace(str(file), "FILE")

    def flipped(name: str) -> bytes:
        before, after = content[: at[name]], content[at[name] + 1 :]
        return before + bytes([content[at[name]] ^ 1]) + after

    for name in set(at) - {"header.json", "manifest.json", "manifest.blake3"}:
        assert refusal(flipped(name)) == f"{name} in FILE is damaged; use another backup."
    assert refusal(flipped("manifest.json")).startswith("manifest.json in FILE is damaged")
    assert refusal(flipped("header.json")) == "header.json in FILE is damaged; use another backup."
    pack = f"blobs/packs/{PACK}"
    for name in ("header.json", pack, "manifest.json", "manifest.blake3"):
        assert refusal(content[: at[name] + 9]) == (
            f"FILE was cut off within {name}; use another backup."
        )
    assert refusal(content[: at[pack] - 512]).startswith("FILE was cut off: it ends after tables/")
    assert refusal(b"no tar" * 500) == "FILE is no backup of NSML."
    assert refusal(b"") == "FILE is no backup of NSML."
    file.unlink()
    file.mkdir()
    with pytest.raises(Invalid, match="is no backup of NSML"):
        backups.restore(short_path / "new", file, quiet, watch([]))


def test_a_restore_that_was_broken_off_leaves_nothing(file: Path, short_path: Path) -> None:
    home, draft = short_path / "new", short_path / ".new.restoring"
    said: list[str] = []

    def interrupt(done: int, total: int) -> None:
        assert done <= total
        if said[-1].startswith("Making"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backups.restore(home, file, said.append, interrupt)
    assert not home.exists()
    assert not draft.exists()
    assert processes.belonging(draft) == []


async def test_ctrl_c_is_heard_between_packs(whole: Source, short_path: Path) -> None:
    told: list[tuple[int, int]] = []
    await backup.backup(whole, short_path / "all.tar", watch(told))
    tasks: list[asyncio.Task[object]] = []

    def at_the_last_pack(done: int, _: int) -> None:
        if done == told[-1][0]:
            tasks[0].cancel()  # as asyncio takes Ctrl-C

    tasks.append(
        asyncio.create_task(backup.backup(whole, short_path / "more.tar", at_the_last_pack))
    )
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert sorted(path.name for path in short_path.glob("*.tar*")) == ["all.tar"]


async def test_a_backup_of_a_newer_version(short_path: Path) -> None:
    file = short_path / "new.tar"
    header = Header(2, "9.1.0", "2027-01-01T00:00:00Z", 3, "2027-01-01T00:00:00Z", "")
    with backup_file.create(file) as writer:
        backup_file.write_header(writer, header)

    with pytest.raises(Refused, match=r"written by NSML 9\.1\.0 in format 2, and this version"):
        backups.check(file, watch([]))


async def test_a_tar_of_somebody_else(short_path: Path) -> None:
    file = short_path / "other.tar"
    with tarfile.open(file, "w") as tar:
        info = tarfile.TarInfo("header.json.sig")
        tar.addfile(info, io.BytesIO(b""))

    with pytest.raises(Invalid, match=r"is no backup of NSML\."):
        backups.check(file, watch([]))


def test_a_table_that_cannot_be_one_becomes_no_statement() -> None:
    table = {"schema": "a", "name": "b; drop", "columns": [], "key": [], "indexes": []}

    with pytest.raises(Damaged, match="describes a table"):
        tables_kept.from_json(json.dumps(table).encode())
