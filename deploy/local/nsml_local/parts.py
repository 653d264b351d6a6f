"""`nsml status`: each part of the platform as it is now, without waiting for anything."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from nsml_core import notify
from nsml_local import home, supervision
from nsml_local.programs import accepts, endpoints
from nsml_local.supervision import Child


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the platform."""

    name: str
    state: str
    """`running`, `starting`, `failing` (it ends, and is started again and again), `stopped`, or
    `unsupervised` (its supervisor is dead; `nsml up` mends that)."""

    pid: int | None
    uptime_seconds: float | None
    memory_bytes: int | None
    """Its share of the machine's memory (PSS), with its children."""

    endpoint: str


def status(folder: Path) -> list[Part]:
    """Every part, also those that do not run; nothing where there is no home."""
    at = home.find(folder)
    if at is None:
        return []
    known = endpoints(at, at.settings)
    living = supervision.connect(at)
    if living is None:
        return [_unsupervised(name, endpoint) for name, endpoint in known.items()]
    children = {child.name: child for child in living.children()}
    parts = [_part(children[name], known[name]) for name in known if name in children]
    return [*parts, _supervisor(living.pid, f"unix:{supervision.socket_of(at)}")]


def notifications(folder: Path) -> dict[str, str | None]:
    """Where each channel of news leads; the services have the settings of the last start."""
    at = home.find(folder)
    living = supervision.connect(at) if at else None
    environ = psutil.Process(living.pid).environ() if living else {}
    leads = {channel.name: channel.place for channel in notify.channels(environ)}
    return {name: leads.get(name) for name in notify.CHANNELS}


def _unsupervised(name: str, endpoint: str) -> Part:
    state = "unsupervised" if accepts(endpoint) else "stopped"
    return Part(name, state, None, None, None, endpoint)


def _part(child: Child, endpoint: str) -> Part:
    if child.state not in {"STARTING", "RUNNING"}:
        state = "stopped" if child.state in {"STOPPED", "STOPPING"} else "failing"
        return Part(child.name, state, None, None, None, endpoint)
    state = "running" if accepts(endpoint) else "starting"
    uptime = time.time() - child.started
    return Part(child.name, state, child.pid, uptime, _memory(child.pid), endpoint)


def _supervisor(pid: int, endpoint: str) -> Part:
    process = psutil.Process(pid)
    uptime = time.time() - process.create_time()
    return Part("supervisor", "running", pid, uptime, _pss([process]), endpoint)


def _memory(pid: int) -> int | None:
    try:
        process = psutil.Process(pid)
        return _pss([process, *process.children(recursive=True)])
    except psutil.NoSuchProcess:
        return None


def _pss(processes: Iterable[psutil.Process]) -> int:
    total = 0
    for process in processes:
        try:
            memory = process.memory_full_info()
            total += getattr(memory, "pss", memory.uss)  # macOS knows no shares
        except psutil.NoSuchProcess:
            continue  # it ended since it was listed
    return total
