"""What many tests stand on: real servers, started once a worker or once a test."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis
from xdist.remote import Producer

from nsml_core import log, settings
from nsml_core.database import connect_pool
from nsml_core.log import Log
from nsml_core.settings import Settings
from nsml_core.views import Schema, View
from nsml_local import home, servers
from tests import provider
from tests.folders import remove
from tests.scheduling import Scheduling, order

# The same examples every time, and none of them judged by how long it took.
hypothesis.register_profile(
    "house",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis.load_profile("house")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    return Scheduling(config, log)


def pytest_xdist_auto_num_workers() -> int:
    """Twice as many as there are processors: for about half of its time a test waits."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order(items)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder with a path short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="nsml-"))
    yield folder
    remove(folder, ignore_errors=True)


@pytest.fixture
def issuer() -> Iterator[str]:
    """A provider that runs until the test has ended."""
    program = Path(provider.__file__)
    served = subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True)
    assert served.stdout
    yield served.stdout.readline().strip()
    served.terminate()
    served.communicate()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL of this worker's."""
    folder = Path(tempfile.mkdtemp(prefix="nsml-"))
    with servers.postgres(folder) as url:
        yield url
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def database_url(postgres_url: str, short_path: Path) -> AsyncIterator[str]:
    """An empty database of this test's own."""
    name = short_path.name.replace("-", "_").lower()
    admin = await asyncpg.connect(postgres_url)
    await admin.execute(f"create database {name}")
    yield postgres_url.replace("/postgres?", f"/{name}?")
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()


@pytest.fixture
def nats(short_path: Path) -> Iterator[home.Home]:
    """A NATS of this test's own."""
    with servers.nats_server(short_path):
        found = home.find(short_path)
        assert found is not None
        yield found


@pytest.fixture
def config(nats: home.Home, database_url: str) -> Settings:
    """Settings that point to this test's servers."""
    found = settings.read({"NSML_HOME": str(nats.folder)})
    return replace(
        found,
        nats_url=nats.nats_url,
        nats_monitor_url=nats.monitor_url,
        postgres_url=database_url,
    )


@pytest.fixture
async def the_log(config: Settings) -> AsyncIterator[Log]:
    """A connection to an empty log."""
    async with log.connect(config, "test") as connected:
        yield connected


@asynccontextmanager
async def opened(config: Settings, schema: Schema, the_log: Log) -> AsyncIterator[View]:
    """A view, made and caught up, but following nothing yet."""
    async with connect_pool(config) as pool:
        view = View(pool, schema, the_log)
        await view.open()
        await view.catch_up()
        yield view
