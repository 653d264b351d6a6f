"""The store of a log's server, harmed on disk, and the command that makes it whole."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nsml_core import log, settings
from nsml_core.entry import Record
from nsml_core.errors import NotFound, Refused
from nsml_core.settings import Settings
from nsml_local import embedded, home, processes, restoring, servers
from nsml_local.home import Home
from tests.conftest import opened
from tests.core.examples import SCHEMA
from tests.core.test_views import register
from tests.restore.conftest import entries, quiet, watch


@pytest.fixture
def at(short_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home of four hundred entries, at rest; its log lies in one file.

    Its database is one that runs elsewhere, as a home may have it.
    """
    monkeypatch.setenv("NSML_POSTGRES_URL", database_url)
    folder = short_path / "home"
    with servers.nats_server(folder) as nats_url:
        made = home.find(folder)
        assert made
        config = replace(
            settings.read({"NSML_HOME": str(folder)}),
            nats_url=nats_url,
            nats_monitor_url=made.monitor_url,
            postgres_url=database_url,
        )
        asyncio.run(_fill(config))
    return made


async def _fill(config: Settings) -> None:
    async with log.connect(config, "test") as the_log:
        await register(the_log, 200)
        async with opened(config, SCHEMA, the_log):
            """Its archive is there now."""


@pytest.fixture
def nothing_left(short_path: Path) -> Iterator[None]:
    """What a restore starts, it stops."""
    yield
    assert processes.belonging(short_path / "home") == []


def held(at: Home) -> list[Record]:
    """What the log holds, as its server finds it at a start."""
    with servers.nats_server(at.folder) as url:
        return asyncio.run(entries(url))


def flip(at: Home) -> None:
    """Turn one bit in the middle of the log's file."""
    (block,) = at.nats_data.rglob("*.blk")
    content = bytearray(block.read_bytes())
    content[len(content) // 2] ^= 1
    block.write_bytes(content)


@pytest.mark.usefixtures("nothing_left")
def test_a_bit_that_flipped_in_the_store(at: Home) -> None:
    before = held(at)
    flip(at)

    done = restoring.restore_log(at.folder, quiet, watch([]))

    assert done.plan
    assert (done.plan.union.last, done.plan.union.beyond, done.plan.lost) == (400, 0, 0)
    assert done.plan.union.logged < 400, "the server dropped what it could not read"
    assert held(at) == before
    assert done.aside
    assert list(done.aside.rglob("*.blk")), "the old store is kept"


@pytest.mark.usefixtures("nothing_left")
def test_a_restore_that_was_broken_off(at: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    before = held(at)
    flip(at)

    def interrupt(done: int, total: int) -> None:
        assert 0 < done <= total
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restoring.restore_log(at.folder, quiet, interrupt)
    assert not list(at.folder.glob("nats.*")), "nothing was moved, and nothing half-made is left"

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(restoring, "_swap", cut)
        with pytest.raises(KeyboardInterrupt):
            restoring.restore_log(at.folder, quiet, watch([]))
    with pytest.raises(Refused, match="`nsml admin log restore` brings it to its end"):
        embedded.up(at.folder, quiet, services=())

    done = restoring.restore_log(at.folder, quiet, watch([]))

    assert done.plan is None, "there was nothing to be done but to put it in its place"
    assert held(at) == before
    with pytest.raises(Refused, match="The log is whole"):
        restoring.restore_log(at.folder, quiet, watch([]))


def test_where_there_is_no_home(short_path: Path) -> None:
    with pytest.raises(NotFound, match="is no NSML home"):
        restoring.restore_log(short_path / "nothing", quiet, watch([]))


def test_servers_of_others_are_left_alone(at: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSML_NATS_URL", "nats://127.0.0.1:1")

    with pytest.raises(Refused, match="who runs it has to restore it"):
        restoring.restore_log(at.folder, quiet, watch([]))
