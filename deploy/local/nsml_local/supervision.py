"""The supervisor of one home: supervisord, its configuration, and what we ask of it."""

import http.client
import os
import shlex
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from configparser import RawConfigParser
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsml_core.errors import Unavailable
from nsml_local.home import Home
from nsml_local.servers import Program

_START_SECONDS = 10
# Generous: on a machine without breath, a living supervisor must not be taken for a dead one.
_ANSWER_SECONDS = 10
_LOG = {"maxbytes": "10MB", "backups": "3"}


@dataclass(frozen=True, slots=True)
class Child:
    """One program as its supervisor sees it."""

    name: str
    group: str
    state: str
    """Supervisor's word: STARTING, RUNNING, BACKOFF, STOPPING, STOPPED, EXITED, FATAL."""
    pid: int
    started: int
    """When it was last started, in seconds since the epoch; 0 before the first time."""


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket, with a limit to how long a hanging supervisor is waited for."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_ANSWER_SECONDS)
        self.sock.connect(self.host)


class Supervisor:
    """A living supervisor."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.pid: int = self._ask("getPID")
        self.installation: str = self._ask("getIdentification")

    def _ask(self, method: str, *values: str | bool) -> Any:
        question = xmlrpc.client.dumps(values, f"supervisor.{method}")
        with closing(_Connection(str(self._path))) as connection:
            try:
                connection.request("POST", "/RPC2", question, {"Content-Type": "text/xml"})
                reply = connection.getresponse().read()
            except (OSError, http.client.HTTPException) as error:
                raise Unavailable(
                    f"The supervisor does not answer ({error}): start it anew with `nsml up`."
                ) from error
        (answer,), _ = xmlrpc.client.loads(reply)
        return answer

    def children(self) -> list[Child]:
        return [
            Child(info["name"], info["group"], info["statename"], info["pid"], info["start"])
            for info in self._ask("getAllProcessInfo")
        ]

    def start_missing(self) -> None:
        """Start what gave up or was stopped by hand."""
        for child in self.children():
            if child.state in {"STOPPED", "EXITED", "FATAL"}:
                self._ask("startProcess", f"{child.group}:{child.name}", False)

    def shut_down(self, seconds: float) -> None:
        """Stop the services, then the servers, then itself; at most this long."""
        question = "shutdown"
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                self._ask(question)
            except xmlrpc.client.Fault:
                time.sleep(0.02)  # "I am shutting down"
            except Unavailable:
                return
            # Each question also wakes its loop, which else looks around once a second.
            question = "getState"


def connect(at: Home) -> Supervisor | None:
    """The living supervisor of this home."""
    try:
        return Supervisor(socket_of(at))
    except (Unavailable, xmlrpc.client.Fault):
        return None  # or it is on its way down


def start(at: Home, programs: Sequence[Program], environment: Mapping[str, str]) -> Supervisor:
    """Start a supervisor, and with it every program at once."""
    config = at.run / "supervisord.conf"
    with config.open("w") as file:
        _config(at, programs).write(file)
    command = [sys.executable, "-m", "supervisor.supervisord", "--configuration", str(config)]
    started = subprocess.run(
        command, env=dict(environment), capture_output=True, text=True, cwd=at.folder, check=False
    )
    deadline = time.monotonic() + _START_SECONDS
    while started.returncode == 0 and time.monotonic() < deadline:
        supervisor = connect(at)
        if supervisor:
            return supervisor
        time.sleep(0.01)
    said = (started.stderr or started.stdout).strip()
    raise Unavailable(f"The supervisor did not start; see {at.log('supervisor')}. {said}".strip())


def is_abandoned(supervisor: Supervisor) -> bool:
    """Whether the Python environment it was started from is gone, even if another has its name."""
    prefix, _, number = supervisor.installation.rpartition("@")
    return not Path(prefix).exists() or Path(prefix).stat().st_ino != int(number)


def _installation() -> str:
    return f"{sys.prefix}@{Path(sys.prefix).stat().st_ino}"


def socket_of(at: Home) -> Path:
    return at.run / "up.sock"


def _config(at: Home, programs: Sequence[Program]) -> RawConfigParser:
    config = RawConfigParser()
    config.read_dict(
        {
            "unix_http_server": {"file": _escape(socket_of(at)), "chmod": "0600"},
            "rpcinterface:supervisor": {
                "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
            },
            "supervisord": {
                "identifier": _escape(_installation()),
                "logfile": _escape(at.log("supervisor")),
                "logfile_maxbytes": _LOG["maxbytes"],
                "logfile_backups": _LOG["backups"],
                "pidfile": _escape(at.run / "supervisord.pid"),
                "directory": _escape(at.folder),
                "umask": "077",
                "nocleanup": "true",
            }
            # Without it supervisord warns that root may not have been meant.
            | ({"user": "root"} if os.geteuid() == 0 else {}),
            # On the way down the highest priority goes first: services before what they stand on.
            "group:servers": {"programs": _names(programs, is_server=True), "priority": "1"},
            "group:services": {"programs": _names(programs, is_server=False), "priority": "2"},
        }
    )
    for section in ("group:servers", "group:services"):
        if not config[section]["programs"]:
            config.remove_section(section)
    config.read_dict({f"program:{program.name}": _program(at, program) for program in programs})
    if any(program.name == "nats" for program in programs):
        config.read_dict({"eventlistener:room": _listener(at)})
    return config


def _names(programs: Sequence[Program], *, is_server: bool) -> str:
    return ",".join(p.name for p in programs if p.is_server is is_server)


def _program(at: Home, program: Program) -> dict[str, str]:
    return {
        "command": _escape(shlex.join(program.command)),
        "autorestart": "true",
        # Sooner than this, an end is a failure to start: it is tried again after 1, 2, 3… seconds.
        "startsecs": "3",
        "startretries": "1000000",
        "stopsignal": program.stop_signal.name.removeprefix("SIG"),
        "stopwaitsecs": str(program.stop_seconds),
        "stopasgroup": str(not program.is_server).lower(),
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": _escape(at.log(program.name)),
        "stdout_logfile_maxbytes": _LOG["maxbytes"],
        "stdout_logfile_backups": _LOG["backups"],
    }


def _listener(at: Home) -> dict[str, str]:
    return {
        "command": _escape(shlex.join([sys.executable, "-m", "nsml_local.room", str(at.folder)])),
        "events": "TICK_5",
        "stdout_logfile": "NONE",
        "autorestart": "true",
        "stderr_logfile": _escape(at.log("room")),
        "stderr_logfile_maxbytes": _LOG["maxbytes"],
        "stderr_logfile_backups": _LOG["backups"],
    }


def _escape(value: object) -> str:
    return str(value).replace("%", "%%")
