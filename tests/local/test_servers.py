"""The real servers, alone: reachable by those who hold the secret and by nobody else."""

import asyncio
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import asyncpg
import nats
import psutil
import pytest

from nsml_core.errors import Invalid, Refused
from nsml_local import binaries, home, servers, unprivileged

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


async def test_nats_acknowledges_nothing_before_it_is_on_disk(short_path: Path) -> None:
    with servers.nats_server(short_path) as url:
        client = await nats.connect(url)
        await client.jetstream().add_stream(name="S", subjects=["s"])
        await client.close()
        at = home.find(short_path)
        assert at is not None
        told = json.loads(await asyncio.to_thread(fetch, f"{at.monitor_url}/jsz?config=1"))
    assert told["config"]["sync_always"] is True
    assert told["streams"] == 1


async def test_nats_wants_its_password(short_path: Path) -> None:
    with servers.nats_server(short_path) as url:
        host, _, port = url.rpartition("@")[2].partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b'CONNECT {"user": "nsml", "pass": "guessed"}\r\nPING\r\n')
        said = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert b"Authorization Violation" in said
    assert b"PONG" not in said


async def test_nats_keeps_what_it_acknowledged(short_path: Path) -> None:
    with servers.nats_server(short_path) as url:
        client = await nats.connect(url)
        stream = client.jetstream()
        await stream.add_stream(name="S", subjects=["s"])
        await stream.publish("s", b"kept")
        await client.close()
        kill(nats_of(short_path))
    with servers.nats_server(short_path) as url:
        client = await nats.connect(url)
        assert (await client.jetstream().get_msg("S", 1)).data == b"kept"
        await client.close()


async def test_postgres_keeps_what_it_committed(short_path: Path) -> None:
    with servers.postgres(short_path) as url:
        connection = await asyncpg.connect(url)
        await connection.execute("create table t as select 42 as n")
        pid = int((short_path / "postgres/postmaster.pid").read_text().split()[0])
        kill(pid)
        connection.terminate()
    with servers.postgres(short_path) as url:
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("select n from t") == 42
        await connection.close()


async def test_postgres_wants_its_password_even_from_its_owner(short_path: Path) -> None:
    with servers.postgres(short_path) as url:
        at = home.find(short_path)
        assert at is not None
        without = url.replace(at.kept.postgres_password, "guessed")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(without)


async def test_postgres_listens_on_no_network(short_path: Path) -> None:
    with servers.postgres(short_path):
        pid = int((short_path / "postgres/postmaster.pid").read_text().split()[0])
        assert psutil.Process(pid).net_connections("inet") == []


async def test_a_path_too_long_for_a_socket(short_path: Path) -> None:
    folder = short_path / ("long" * 30)
    with servers.postgres(folder) as url:
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("select 1") == 1
        await connection.close()
    shutil.rmtree(home.make(folder).run)


async def test_a_path_with_spaces_and_signs(short_path: Path) -> None:
    folder = short_path / "a home 100% 'mine' é"
    with servers.nats_server(folder) as url:
        await (await nats.connect(url)).close()
    with servers.postgres(folder) as url:
        await (await asyncpg.connect(url)).close()


def test_a_path_that_the_servers_would_cut(short_path: Path) -> None:
    with pytest.raises(Invalid, match="set NSML_HOME"):
        home.make(short_path / "mine, yours")


@as_root
def test_another_user_does_not_reach_postgres(short_path: Path) -> None:
    short_path.chmod(0o755)  # the weakest case: only the home itself keeps them out
    with servers.postgres(short_path / "home"):
        socket = short_path / "home/run/.s.PGSQL.5432"
        knock = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        tried = subprocess.run(
            [*command, "/usr/bin/python3", "-c", knock, str(socket)],
            capture_output=True,
            text=True,
            check=False,
        )
    assert "PermissionError" in tried.stderr


@as_root
def test_root_runs_postgres_without_giving_files_away(short_path: Path) -> None:
    with servers.postgres(short_path):
        owners = {path.lstat().st_uid for path in short_path.rglob("*")}
    assert owners == {0}


@as_root
async def test_root_where_user_namespaces_are_not_permitted(short_path: Path) -> None:
    """As in most containers; here that is a namespace, itself without room for another."""
    script = (
        "import asyncio, asyncpg, pathlib, sys\n"
        "from nsml_local import servers\n"
        "async def ask(url):\n"
        "    connection = await asyncpg.connect(url)\n"
        "    print(await connection.fetchval('select 40 + 2'))\n"
        "    await connection.close()\n"
        "pathlib.Path('/proc/sys/user/max_user_namespaces').write_text('0')\n"
        "with servers.postgres(pathlib.Path(sys.argv[1])) as url:\n"
        "    asyncio.run(ask(url))\n"
    )
    said = in_namespace_of_all_users([sys.executable, "-c", script, str(short_path)])
    assert said == "42\n"
    assert (short_path / "postgres").stat().st_uid == pwd.getpwnam("nobody").pw_uid


def test_data_of_a_postgres_that_is_not_bundled(short_path: Path) -> None:
    (short_path / "PG_VERSION").write_text("9\n")
    with pytest.raises(Refused, match="made by PostgreSQL 9"):
        binaries.postgres_programs(short_path)


def test_an_ordinary_user_starts_postgres_as_it_is(short_path: Path) -> None:
    program = binaries.postgres_programs(short_path) / "postgres"
    assert bool(unprivileged.prefix(program, short_path)) == (os.geteuid() == 0)


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url) as reply:  # noqa: S310 - http, as we made it
        return bytes(reply.read())


def nats_of(folder: Path) -> int:
    config = str(folder / "run/nats.json")
    everyone = psutil.process_iter(["cmdline"])
    return next(process.pid for process in everyone if config in (process.info["cmdline"] or ()))


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def in_namespace_of_all_users(command: list[str]) -> str:
    """Run as root of a new user namespace that knows every user, and return what was said."""
    wait = 'echo ready; read go; exec "$@"'
    with subprocess.Popen(
        ["unshare", "--user", "sh", "-c", wait, "sh", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for ids in ("uid_map", "gid_map"):
            Path(f"/proc/{process.pid}/{ids}").write_text("0 0 65536\n")
        process.stdin.write("go\n")
        process.stdin.close()
        return process.stdout.read()
