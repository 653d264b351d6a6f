"""The log on a cluster of three servers: it goes on while one is away, and none may be careless."""

import asyncio
import json
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from nsml_core import log
from nsml_core.errors import Refused
from nsml_core.jetstream import api
from nsml_core.settings import Settings
from nsml_local import binaries
from tests.core.examples import append

_DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Servers:
    """Three servers of one cluster."""

    folder: Path
    ports: list[int] = field(default_factory=list)
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def settings(self, config: Settings) -> Settings:
        """Settings that lead to all three."""
        return replace(
            config,
            nats_url=",".join(f"nats://127.0.0.1:{port}" for port in self.ports[:3]),
            nats_monitor_url=",".join(f"http://127.0.0.1:{port}" for port in self.ports[3:6]),
            log_replicas=3,
        )

    def start(self, at: int, sync: str = "always") -> None:
        """Start one of them, or start it again."""
        routes = [f"nats://127.0.0.1:{port}" for port in self.ports[6:]]
        config: dict[str, Any] = {
            "server_name": f"nats-{at}",
            "listen": f"127.0.0.1:{self.ports[at]}",
            "http": f"127.0.0.1:{self.ports[3 + at]}",
            "jetstream": {"store_dir": str(self.folder / f"nats-{at}"), "sync_interval": sync},
            "cluster": {
                "name": "nsml",
                "listen": f"127.0.0.1:{self.ports[6 + at]}",
                "routes": routes,
            },
        }
        file = self.folder / f"nats-{at}.json"
        file.write_text(json.dumps(config))
        with (self.folder / f"nats-{at}.log").open("ab") as out:
            command = [str(binaries.nats_server()), "--config", str(file)]
            self.processes.append(subprocess.Popen(command, stdout=out, stderr=out))

    async def ready(self) -> None:
        """Wait until all answer: who does not yet is not asked how it keeps the log."""
        for port in self.ports[3:6]:
            while not await asyncio.to_thread(_is_well, f"http://127.0.0.1:{port}/healthz"):
                await asyncio.sleep(0.05)

    def kill(self, at: int) -> None:
        self.processes[at].kill()
        self.processes[at].wait()


def _is_well(url: str) -> bool:
    try:
        with _DIRECTLY.open(url, timeout=5):
            return True
    except OSError:
        return False


@pytest.fixture
def servers(short_path: Path) -> Iterator[Servers]:
    found = Servers(short_path)
    with ExitStack() as held:
        taken = [held.enter_context(closing(socket.socket())) for _ in range(9)]
        for each in taken:
            each.bind(("127.0.0.1", 0))
            found.ports.append(each.getsockname()[1])
    yield found
    for at in range(len(found.processes)):
        found.kill(at)


async def test_it_is_kept_on_three_servers_and_goes_on_without_one(
    config: Settings, servers: Servers
) -> None:
    for at in range(3):
        servers.start(at)
    async with log.connect(servers.settings(config), "test") as connected:
        first = await connected.append(append("nsml.test.a", 0, b"1"))
        info = await api(connected.client, "STREAM.INFO.NSML")
        leads = int(info["cluster"]["leader"].removeprefix("nats-"))
        servers.kill(leads)
        while (url := connected.client.connected_url) is None or url.port == servers.ports[leads]:
            await asyncio.sleep(0.01)  # what is said to a dead server is lost
        # While the others choose who leads now, whoever needs a leader waits.
        known = await connected.current("nsml.test.a")
        second = await connected.append(append("nsml.test.a", first, b"2"))
        # Any server may answer, and one that has just agreed may be about to write it down.
        while len(found := await connected.read("nsml.test.a")) < second:
            await asyncio.sleep(0.05)

    assert info["config"]["num_replicas"] == 3
    assert (first, known, second) == (1, 1, 2)
    assert [record.data for record in found] == [b"1", b"2"]
    # Whoever comes while one is away is served, too.
    async with log.connect(servers.settings(config), "test") as again:
        assert await again.last_sequence() == 2


async def test_one_careless_server_of_three_is_refused(config: Settings, servers: Servers) -> None:
    for at, sync in enumerate(("always", "2m", "always")):
        servers.start(at, sync)
    await servers.ready()
    with pytest.raises(Refused, match="before entries are on disk"):
        async with log.connect(servers.settings(config), "test"):
            pass


async def test_a_log_on_one_server_moves_to_three(config: Settings, servers: Servers) -> None:
    for at in range(3):
        servers.start(at)
    wanted = servers.settings(config)
    async with log.connect(replace(wanted, log_replicas=1), "test") as connected:
        await connected.append(append("nsml.test.a", 0, b"1"))
    async with log.connect(wanted, "test") as connected:
        info = await api(connected.client, "STREAM.INFO.NSML")
        found = await connected.read("nsml.test.a")

    assert info["config"]["num_replicas"] == 3
    assert [record.data for record in found] == [b"1"]
