"""How soon a session's code runs in a container whose image is there, beside `docker run`."""

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from bench.client import Client, connected
from bench.figures import Figure, Goal, Row, median, quantile
from bench.home import code, running
from tests.docker import daemon

_TIMES = 15
_SOURCE = "import time\nprint(time.time_ns(), flush=True)\n"
_CACHE = Path(__file__).parents[1] / ".pytest_cache" / "d" / "docker"


def measure() -> Row:
    _CACHE.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.gettempdir()) / f"nsml-docker-bench-{os.getpid()}"
    with daemon.shared(folder, _CACHE, own_network=True) as address:
        called, bare = _beside(address)
    return Row(
        [
            Figure("Run RPC to code in a container, median", median(called), "s"),
            Figure("Run RPC to code in a container, p90", quantile(called, 0.9), "s"),
            Figure("`docker run` of the same to code, in between", median(bare), "s"),
            Figure(
                "container session, in `docker run`s",
                median(called) / median(bare),
                "ratio",
                Goal("≤", 1.5),
            ),
        ],
        {"called": called, "docker run": bare},
    )


def _beside(address: str) -> tuple[list[float], list[float]]:
    settings = {"DOCKER_HOST": address, "NSML_SANDBOX": "docker", "NSML_IMAGE": daemon.IMAGE}
    with running(settings=settings) as platform, code(_SOURCE) as folder:
        platform.nsml("run", "-f", folder=folder)
        example = platform.nsml("ps", "-a", "-q").split()[0]
        return asyncio.run(_rounds(connected(platform, example), address))


async def _rounds(
    connecting: AbstractAsyncContextManager[Client], address: str
) -> tuple[list[float], list[float]]:
    called, bare = [], []
    async with connecting as client:
        for _ in range(_TIMES):
            start = time.time_ns()
            session = await client.run()
            called.append((int(await client.first_output(session.name)) - start) / 1e9)
            bare.append(await asyncio.to_thread(_docker_run, address))
    return called, bare


def _docker_run(address: str) -> float:
    """Return when the code ran that the plain command was given; it has an init, as with us."""
    docker = shutil.which("docker")
    if docker is None:
        raise RuntimeError("There is no docker command to compare with.")
    start = time.time_ns()
    done = subprocess.run(
        [
            *(docker, "--host", address, "run", "--rm", "--init"),
            *(daemon.IMAGE, "python3", "-u", "-c", _SOURCE),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    return (int(done.stdout) - start) / 1e9
