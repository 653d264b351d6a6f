"""`nsml up` and `nsml down`: the whole platform on one machine, in one folder."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from nsml_core import log_limits, notify, secure
from nsml_core.errors import Error, Invalid, Unavailable
from nsml_local import home, processes, readiness, supervision
from nsml_local.environment import services_environment
from nsml_local.home import Home
from nsml_local.parts import Part, notifications, status
from nsml_local.programs import NO_WEB, PARTS, accepts, endpoints, programs, web_address
from nsml_local.readiness import Progress
from nsml_local.servers import Program
from nsml_local.supervision import Supervisor

__all__ = ["Endpoints", "Part", "down", "notifications", "status", "up", "web_of"]

_READY_SECONDS = 60.0
_FOLDED_BYTES_A_SECOND = 2e6
"""A slow machine's; one that is fast and quiet folds ten times as much."""

_STOP_SECONDS = 60.0
_LOCK_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the parts of a started platform answer."""

    nats_url: str
    postgres_url: str
    services: dict[str, str]
    web_address: str
    """`HOST:PORT`; empty: there is none."""

    was_up: bool
    """It was up before it was asked for."""


def up(
    folder: Path,
    progress: Progress = print,
    *,
    services: Sequence[str] = PARTS,
    seconds: float = _READY_SECONDS,
) -> Endpoints:
    """Start what is not up, and return when every part says that it is ready.

    A part may take so many seconds, and as long as it needs to fold a view of the whole log anew.
    """
    home.refuse_what_is_no_home(folder)
    with locked(folder, progress):
        at = home.make(folder)
        home.refuse_a_half_restored_log(at)
        seconds += _log_bytes(at) / _FOLDED_BYTES_A_SECOND
        living = supervision.connect(at)
        if living and not supervision.is_abandoned(living):
            _repair(living, at, programs(at, at.settings, services), progress, seconds)
        else:
            at = _start(at, services, progress, seconds)
            living = None
        settings = at.settings
        return Endpoints(
            nats_url=settings.nats_url or at.nats_url,
            postgres_url=settings.postgres_url or at.postgres_url,
            services={
                name: address for name, address in settings.addresses.items() if name in services
            },
            web_address=_web_address(at, services),
            was_up=living is not None,
        )


def down(
    folder: Path, before: Callable[[], None] | None = None, progress: Progress = print
) -> bool:
    """Stop everything of this home, and say whether anything ran.

    `before` is called while the services still answer, to end sessions gracefully.
    """
    at = home.find(folder)
    if at is None:
        return processes.stop(folder) > 0  # their home may have been deleted under them
    with locked(folder, progress):
        if before and accepts(endpoints(at, at.settings)["session"]):
            _ask(before, progress)
        living = supervision.connect(at)
        if living:
            progress("Stopping the services, then the servers")
            living.shut_down(_STOP_SECONDS)
        stopped = processes.stop(folder)
        shutil.rmtree(at.run, ignore_errors=True)
        return bool(living or stopped)


def web_of(folder: Path) -> str:
    """Return where the web of a home listens, `HOST:PORT`; empty if there is none."""
    at = home.find(folder)
    return _web_address(at, PARTS) if at else ""


def _web_address(at: Home, services: Sequence[str]) -> str:
    address = web_address(at, at.settings)
    return "" if "web" not in services or address == NO_WEB else address


def _log_bytes(at: Home) -> int:
    return sum(file.stat().st_size for file in at.nats_data.rglob("*.blk"))


def _start(at: Home, services: Sequence[str], progress: Progress, seconds: float) -> Home:
    settings = at.settings
    notify.channels(os.environ)  # what is wrong with these settings is said before anything starts
    log_limits.read()
    for name in settings.addresses.keys() & set(services):
        secure.check_listens(name, settings)
    if processes.stop(at.folder, spare_sessions=True):
        progress("Stopped what an earlier start had left behind")
    clear_leftovers(at)
    at = home.with_free_ports(at)
    if not (at.postgres_data / "PG_VERSION").exists():
        progress(f"Setting up {at.folder}")
    wanted = programs(at, settings, services)
    progress("Starting " + ", ".join(program.name for program in wanted))
    with ExitStack() as undo:
        # A start that does not come to its end, by Ctrl-C too, leaves nothing running.
        undo.callback(_abandon, at)
        environment = services_environment(at, settings, os.environ)
        supervisor = supervision.start(at, wanted, environment)
        readiness.wait(at, supervisor, wanted, progress, seconds)
        undo.pop_all()
    return at


def _repair(
    living: Supervisor,
    at: Home,
    wanted: Sequence[Program],
    progress: Progress,
    seconds: float,
) -> None:
    if readiness.all_ready(wanted):
        progress("NSML is up already")
        return
    progress("NSML is up, but not all of it is ready")
    living.start_missing()
    readiness.wait(at, living, wanted, progress, seconds)


def _abandon(at: Home) -> None:
    living = supervision.connect(at)
    if living:
        living.shut_down(_STOP_SECONDS)
    processes.stop(at.folder, spare_sessions=True)
    clear_leftovers(at)


def _ask(before: Callable[[], None], progress: Progress) -> None:
    try:
        before()
    except Error as error:
        progress(error.sentence)  # what it would have ended gracefully is ended all the same


def clear_leftovers(at: Home) -> None:
    """Remove what dead processes left; called when nothing of ours runs but sessions."""
    names = ["up.sock", "supervisord.pid", ".s.PGSQL.5432", ".s.PGSQL.5432.lock"]
    for name in [*names, *(f"{service}.sock" for service in PARTS)]:
        (at.run / name).unlink(missing_ok=True)
    # PostgreSQL takes any living process with the number in it for its predecessor.
    (at.postgres_data / "postmaster.pid").unlink(missing_ok=True)


@contextmanager
def locked(folder: Path, progress: Progress) -> Iterator[None]:
    """One `up` or `down` of a home at a time; the kernel lets go of the lock of a dead one."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(folder / "lock", mode=0o600)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress("Waiting for another `nsml up` or `nsml down` of this home")
            lock.acquire(timeout=_LOCK_SECONDS)
    except Timeout:
        raise Unavailable(
            f"Another `nsml up` or `nsml down` of {folder} has not ended for {_LOCK_SECONDS:.0f} "
            "seconds; end it and try again."
        ) from None
    except OSError as error:
        raise Invalid(home.unusable(folder, error)) from error
    try:
        yield
    finally:
        lock.release()
