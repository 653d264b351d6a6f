"""What tests of the embedded mode do to a home, and how they look at it from outside."""

import os
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import nats
import psutil

from nsml_local import embedded
from nsml_local.embedded import Endpoints

SLEEP = "import time; print(1, flush=True); time.sleep(600)"
RUN = f"import threading; threading.Timer(600, int).start(); {SLEEP}"
"""As a runner, which has threads; the forkserver that it comes from never has one."""


def quiet(_: str) -> None:
    """Progress that nobody watches."""


def of_home(folder: Path) -> list[psutil.Process]:
    """Every process that carries the home in its environment, however it came to live."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("NSML_HOME") == str(folder):
                found.append(process)
        except (psutil.Error, OSError):
            continue  # gone, or somebody else's
    return found


def up(folder: Path) -> Endpoints:
    """The servers alone: what is tested here holds for any list of programs."""
    return embedded.up(folder, progress=quiet, services=())


def down(folder: Path) -> bool:
    return embedded.down(folder, progress=quiet)


def pids(folder: Path) -> dict[str, int | None]:
    return {part.name: part.pid for part in embedded.status(folder)}


async def write(endpoints: Endpoints) -> None:
    client = await nats.connect(endpoints.nats_url)
    await client.jetstream().add_stream(name="S", subjects=["s"])
    await client.jetstream().publish("s", b"kept")
    await client.close()
    connection = await asyncpg.connect(endpoints.postgres_url)
    await connection.execute("create table t as select 42 as n")
    await connection.close()


async def read(endpoints: Endpoints) -> tuple[bytes | None, int]:
    client = await nats.connect(endpoints.nats_url)
    message = await client.jetstream().get_msg("S", 1)
    await client.close()
    connection = await asyncpg.connect(endpoints.postgres_url)
    number = await connection.fetchval("select n from t")
    await connection.close()
    return message.data, number


def kill_everything(folder: Path) -> None:
    """As a power cut would, as far as processes are concerned."""
    for process in of_home(folder):
        process.kill()
    eventually(lambda: of_home(folder) == [])


def kill(pid: int | None) -> None:
    assert pid
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not alive(pid))


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def eventually(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.02)


@contextmanager
def detached(
    script: str, environment: dict[str, str], *words: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a script in a session of its own; yield when it has said something, and end it."""
    with subprocess.Popen(
        [sys.executable, "-c", script, *words],
        env=environment,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def installation(folder: Path) -> Path:
    """Another Python environment, which finds the packages of this one."""
    venv.create(folder, with_pip=False)
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "all.pth").write_text("\n".join(path for path in sys.path if path))
    return folder / "bin/python"
