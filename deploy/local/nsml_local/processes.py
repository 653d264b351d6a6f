"""The living processes of one home, found by what they carry, and stopped for certain."""

import os
import signal
import time
from collections.abc import Collection
from pathlib import Path

import psutil

from nsml_core.errors import Unavailable
from nsml_local.environment import MARK

_GRACE_SECONDS = 5
_ROUNDS = 5
_OF_USER_CODE = ("NSML_SOCKET", "NSML_OUTPUT", "NSML_CHECKPOINT_DIR")


def belonging(folder: Path) -> list[psutil.Process]:
    """Every process that serves this home, or was started by one that does; never ourselves."""
    everyone = list(psutil.process_iter())
    real = os.path.realpath(folder)
    marked = {process.pid for process in everyone if _is_marked(process, real)}
    family = _with_descendants(marked, everyone) - {os.getpid()}
    return [process for process in everyone if process.pid in family]


def stop(folder: Path, *, spare_sessions: bool = False) -> int:
    """Stop what belongs to the home, and what that starts meanwhile; say how many there were.

    Sessions can be spared: a training survives the loss of the services and finds the next ones.
    """
    stopped = 0
    left = _condemned(folder, spare_sessions=spare_sessions)
    for _ in range(_ROUNDS):
        if not left:
            return stopped
        stopped += len(left)
        _end(left)
        left = _condemned(folder, spare_sessions=spare_sessions)
    pids = ", ".join(str(process.pid) for process in left)
    raise Unavailable(f"Some processes of {folder} do not end: end them by hand (kill -9 {pids}).")


def _condemned(folder: Path, *, spare_sessions: bool) -> list[psutil.Process]:
    processes = belonging(folder)
    if not spare_sessions:
        return processes
    roots = {process.pid for process in processes if _is_of_session(process)}
    sessions = _with_descendants(roots, processes)
    return [process for process in processes if process.pid not in sessions]


def _is_marked(process: psutil.Process, home: str) -> bool:
    try:
        environment = process.environ()
        if environment.get(MARK) == home:
            return True
        # User code gets none of the platform's own variables, and its runner may be dead.
        if any(environment.get(name, "").startswith(f"{home}/") for name in _OF_USER_CODE):
            return True
        # PostgreSQL's children write their titles over their environment; their parent may be dead.
        return process.name() == "postgres" and process.cwd() == f"{home}/postgres"
    except (psutil.Error, OSError):
        return False  # gone, a zombie, or somebody else's


def _is_of_session(process: psutil.Process) -> bool:
    try:
        if any(name in process.environ() for name in _OF_USER_CODE):
            return True
        return _is_runner(process) and not _is_idle(process)
    except (psutil.Error, OSError):
        return False


def _is_runner(process: psutil.Process | None) -> bool:
    """Whether it is a runner, or the forkserver, which runners have their command from."""
    words = process.cmdline() if process else []
    return any(word.startswith("nsml_runner") for word in words)


def _is_idle(process: psutil.Process) -> bool:
    """Whether it is a forkserver that has no runner: unlike these, it never has a thread."""
    is_alone = process.num_threads() == 1 and not process.children()
    return is_alone and not _is_runner(process.parent())


def _with_descendants(roots: set[int], among: Collection[psutil.Process]) -> set[int]:
    parents = {process.pid: _parent(process) for process in among}
    family: set[int] = set()
    youngest = roots
    while youngest:
        family |= youngest
        youngest = {pid for pid, parent in parents.items() if parent in youngest} - family
    return family


def _parent(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except psutil.Error:
        return None


def _end(processes: list[psutil.Process]) -> None:
    for process in processes:
        if not ends_with_its_server(process):
            _send(process, signal.SIGTERM)
    alive = _outliving(processes)
    for process in alive:
        _send(process, signal.SIGKILL)
    _outliving(alive)


def ends_with_its_server(process: psutil.Process) -> bool:
    """Whether it is one of PostgreSQL's helpers, which write their titles over their commands.

    Told directly, the one that writes checkpoints would close the database's log while others
    still commit: what they commit then is acknowledged, and lost.
    """
    try:
        return process.name() == "postgres" and process.cmdline()[0].startswith("postgres: ")
    except (psutil.Error, IndexError):
        return False  # it has ended since


def _outliving(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still live at the end of the grace."""
    deadline = time.monotonic() + _GRACE_SECONDS
    while processes and time.monotonic() < deadline:
        time.sleep(0.01)
        processes = [process for process in processes if _lives(process)]
    return processes


def _lives(process: psutil.Process) -> bool:
    try:
        # Where the first process of a container reaps nobody, the dead stay in the list for ever.
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _send(process: psutil.Process, wanted: signal.Signals) -> None:
    try:
        # To PostgreSQL, SIGTERM means: wait until the last client has left.
        is_postgres = wanted is signal.SIGTERM and process.name() == "postgres"
        process.send_signal(signal.SIGINT if is_postgres else wanted)
    except psutil.NoSuchProcess:
        pass
