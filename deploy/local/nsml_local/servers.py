"""The real servers, NATS and PostgreSQL: how they are set up, started, asked and stopped."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nsml_core.errors import Unavailable
from nsml_local import binaries, home, unprivileged
from nsml_local.environment import MARK
from nsml_local.home import Home, sync_folder, write_private

_START_SECONDS = 60
# A laptop's worth of memory, nobody else's connections, and no helper process without a use.
_POSTGRES_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "80",
    "superuser_reserved_connections": "3",
    "shared_buffers": "24MB",
    "work_mem": "4MB",
    "maintenance_work_mem": "32MB",
    "temp_buffers": "2MB",
    "wal_buffers": "1MB",
    "min_wal_size": "32MB",
    "max_wal_size": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "max_worker_processes": "2",
    "autovacuum_max_workers": "1",
    "io_method": "sync",
    "huge_pages": "off",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}


@dataclass(frozen=True, slots=True)
class Program:
    """How one process is run, stopped without loss, and asked whether it is ready."""

    name: str
    command: list[str]
    endpoint: str
    is_ready: Callable[[], bool]
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: int = 10
    is_server: bool = False
    """A server: services stand on it, so it is stopped after them."""


def nats_program(at: Home) -> Program:
    """NATS with JetStream, which acknowledges nothing before it is on disk."""
    config = {
        "server_name": "nsml",
        "listen": f"127.0.0.1:{at.kept.nats_port}",
        "http": f"127.0.0.1:{at.kept.monitor_port}",
        "jetstream": {"store_dir": str(at.nats_data), "sync_interval": "always"},
        "authorization": {"user": "nsml", "password": at.kept.nats_password},
    }
    write_private(at.run / "nats.json", json.dumps(config, indent=2, ensure_ascii=False))
    command = [str(binaries.nats_server()), "--config", str(at.run / "nats.json")]
    return Program(
        name="nats",
        command=command,
        endpoint=nats_endpoint(at),
        is_ready=lambda: _is_up(at),
        is_server=True,
    )


def postgres_program(at: Home) -> Program:
    """PostgreSQL on a unix socket that only its owner reaches, and only with the password."""
    data = at.postgres_data
    programs = binaries.postgres_programs(data)
    words = unprivileged.prefix(programs / "postgres", data)
    _make_cluster(at, programs, words)
    command = [*words, str(programs / "postgres"), "-D", str(data), "-k", str(at.run)]
    for option, value in _POSTGRES_OPTIONS.items():
        command += ["-c", f"{option}={value}"]
    asked = [str(programs / "pg_isready"), "--quiet", "--host", str(at.run)]
    return Program(
        name="postgres",
        command=command,
        endpoint=postgres_endpoint(at),
        is_ready=lambda: subprocess.run(asked, check=False).returncode == 0,
        # "Fast": at the default, SIGTERM, it waits until the last client has left.
        stop_signal=signal.SIGINT,
        stop_seconds=30,
        is_server=True,
    )


def nats_endpoint(at: Home) -> str:
    return f"127.0.0.1:{at.kept.nats_port}"


def postgres_endpoint(at: Home) -> str:
    return f"unix:{at.run / '.s.PGSQL.5432'}"


@contextmanager
def nats_server(folder: Path, of: Path | None = None) -> Iterator[str]:
    """A NATS server of one's own while the block runs; its store is kept under `folder`.

    Should we be killed meanwhile, `nsml down` of the home that it is `of` finds and stops it.
    """
    at = home.with_free_ports(home.make(folder))
    with running(nats_program(at), at, of):
        yield at.nats_url


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL of one's own while the block runs; its data are kept under `folder`."""
    at = home.make(folder)
    with running(postgres_program(at), at):
        yield at.postgres_url


def _make_cluster(at: Home, programs: Path, words: list[str]) -> None:
    if (at.postgres_data / "PG_VERSION").exists():
        return
    # Made beside and moved into place: a start that is cut short leaves nothing half-made.
    draft = at.folder / "postgres.new"
    shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(at.postgres_data, ignore_errors=True)
    draft.mkdir(mode=0o700)
    unprivileged.give(draft, words)
    with tempfile.NamedTemporaryFile("w", dir=at.run, prefix="postgres-password-") as password:
        password.write(at.kept.postgres_password)
        password.flush()
        command = [*words, str(programs / "initdb"), "-D", str(draft), "--username=nsml"]
        command += ["--auth=scram-sha-256", f"--pwfile={password.name}", "--encoding=UTF8"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise Unavailable(f"PostgreSQL could not make {draft}: {_last_line(made.stderr)}")
    draft.rename(at.postgres_data)
    sync_folder(at.folder)


@contextmanager
def running(program: Program, at: Home, of: Path | None = None) -> Iterator[None]:
    """Run a program while the block runs, as a process of a home."""
    with at.log(program.name).open("ab") as log:
        process = subprocess.Popen(
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, MARK: os.path.realpath(of or at.folder)},
            cwd=at.folder,
            start_new_session=True,
        )
    try:
        _wait(program, process, at.log(program.name))
        yield
    finally:
        _stop(program, process)


def _wait(program: Program, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not program.is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            last = _last_line(log.read_text(errors="replace"))
            raise Unavailable(f"{program.name} did not start; see {log}, which ends: {last}")
        time.sleep(0.02)


def _stop(program: Program, process: subprocess.Popen[bytes]) -> None:
    process.send_signal(program.stop_signal)
    try:
        process.wait(program.stop_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _is_up(at: Home) -> bool:
    # Not urllib, which would ask a proxy.
    connection = http.client.HTTPConnection("127.0.0.1", at.kept.monitor_port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        if answer.status == http.HTTPStatus.OK:
            return True
        # It will not come to more than that. It takes clients only once it has read all streams,
        # and those refuse it, with the words that help.
        return b"could not be recovered" in answer.read() and _takes_clients(at.kept.nats_port)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _takes_clients(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "(it said nothing)"
