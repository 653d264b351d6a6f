"""The sandbox of a laptop: an own session of processes, found again and killed to the last one."""

import asyncio
import contextlib
import fcntl
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from nsml_runner.beside import ProcessBeside, in_terminal, on_pipes
from nsml_runner.cpus import pin
from nsml_runner.processes import adopt_orphans, children, descendants, exit_of, reap
from nsml_runner.sandbox import Command, Size, Use

PIPE_BYTES = 1 << 20
"""Room for output while the runner is busy; the kernel may allow less."""
KILL_PAUSES = (0.002, 0.005, 0.01, 0.05)
"""Seconds between two looks at what is left; the last one repeats."""


class ProcessSandbox:
    def __init__(self, cpu_locks: Path) -> None:
        self._cpu_locks = cpu_locks
        adopt_orphans()

    async def start(self, command: Command) -> "RunningProcess":
        strangers = frozenset(children(os.getpid()))
        with contextlib.ExitStack() as undo:
            stdout, out = wide_pipe()
            undo.callback(os.close, stdout)
            stderr, err = wide_pipe()
            undo.callback(os.close, stderr)
            try:
                process = spawn(command, out, err)
            finally:
                os.close(out)
                os.close(err)
            undo.pop_all()
        running = RunningProcess(process, stdout, stderr, strangers)
        running.holds = pin(process.pid, command.cpus, self._cpu_locks)
        return running


def wide_pipe() -> tuple[int, int]:
    reader, writer = os.pipe()
    if sys.platform == "linux":
        with contextlib.suppress(PermissionError):
            fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return reader, writer


def spawn(command: Command, stdout: int, stderr: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command.argv,
        cwd=command.cwd,
        env=command.env,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )


class RunningProcess:
    def __init__(
        self,
        process: subprocess.Popen[bytes],
        stdout: int,
        stderr: int,
        strangers: frozenset[int],
    ) -> None:
        self.pid = process.pid
        self.stdout = stdout
        self.stderr = stderr
        self.holds = contextlib.ExitStack()
        self._process = process
        self._strangers = strangers
        self._beside: list[ProcessBeside] = []
        self._spent: dict[tuple[int, float], float] = {}

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    async def wait(self) -> int:
        if self._process.poll() is None:
            await exit_of(self._process)
        return self._process.wait()

    async def start_beside(self, command: Command, terminal: Size | None) -> ProcessBeside:
        beside = in_terminal(command, terminal) if terminal else on_pipes(command)
        self._beside.append(beside)
        if sys.platform == "linux":
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(beside.process.pid, os.sched_getaffinity(self.pid))
        return beside

    async def terminate(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGTERM)

    async def kill(self) -> None:
        pauses = itertools.chain(KILL_PAUSES, itertools.repeat(KILL_PAUSES[-1]))
        for pause in pauses:
            if not self._kill_what_is_left():
                break
            await asyncio.sleep(pause)
        self.holds.close()

    def _kill_what_is_left(self) -> bool:
        # A process that forks while it is looked for may be missed in one round, not in all.
        left = list(descendants(os.getpid(), besides=self._strangers))
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.poll()
        self._reap()
        return bool(left)

    def _reap(self) -> None:
        self._beside = [each for each in self._beside if each.process.poll() is None]
        awaited = {each.process.pid for each in self._beside}
        reap(self._strangers | {self.pid} | awaited)

    def memory_exceeded(self) -> int:
        return 0  # the kernel holds nobody to a limit here

    def measure(self, *, exact: bool = False) -> Use:
        self._reap()
        memory = 0
        for pid in descendants(os.getpid(), besides=self._strangers):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                memory += self._measure_one(psutil.Process(pid), exact=exact)
        return Use(sum(self._spent.values()), memory)

    def _measure_one(self, process: psutil.Process, *, exact: bool) -> int:
        with process.oneshot():
            times = process.cpu_times()
            self._spent[process.pid, process.create_time()] = times.user + times.system
            if exact and sys.platform == "linux":
                return process.memory_full_info().pss
            return process.memory_info().rss
