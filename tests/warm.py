"""Programs of ours, forked from a process that has imported them: most of a start is imports.

A program is a process of its own, as ever; only its modules were there before. Where the start
itself is tested, and where an environment changes what Python does, tests make real ones.
"""

import asyncio
import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

_ROOT = Path(__file__).parents[1]
_REQUEST_BYTES = 1 << 20
Asked = dict[str, Any]
_BLOBS = ("nsml_core.gate", "nsml_dataset.blobs_servicer", "uvloop")
_MODULES = ("nsml_cli", "nsml_client", "nsml_runner.process", *_BLOBS)


class Program:
    """A program that was started, as far as tests ask for it."""

    def __init__(self, pid: int, report: IO[str]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._report = report

    def wait(self) -> int:
        """Wait for its end; return its exit code, or the negative number of the signal."""
        if self.returncode is None:
            with self._report:
                self.returncode = os.waitstatus_to_exitcode(int(self._report.readline()))
        return self.returncode

    async def ended(self) -> int:
        return await asyncio.to_thread(self.wait)

    def send_signal(self, number: int) -> None:
        """Do nothing where it has ended: its number may be another's by now."""
        if self.returncode is None and not select.select([self._report], [], [], 0)[0]:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def start(
    module: str, *words: str, env: Mapping[str, str], cwd: Path, out: int, err: int
) -> Program:
    """Start `python -m MODULE WORDS`; what it prints goes to these descriptors."""
    umask = os.umask(0)
    os.umask(umask)
    asked = {"module": module, "words": words, "env": {**env}, "cwd": str(cwd), "umask": umask}
    told, report = os.pipe()
    with Path(os.devnull).open() as nothing:
        given = [nothing.fileno(), out, err, report]
        socket.send_fds(_forker(), [json.dumps(asked).encode()], given)
    os.close(report)
    file = os.fdopen(told)
    return Program(int(file.readline()), file)


def run(
    module: str, *words: str, env: Mapping[str, str], cwd: Path
) -> subprocess.CompletedProcess[str]:
    """Run `python -m MODULE WORDS` to its end; return what it printed."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        outs = (out.fileno(), err.fileno())
        code = start(module, *words, env=env, cwd=cwd, out=outs[0], err=outs[1]).wait()
        for file in (out, err):
            file.seek(0)
        said, complained = (file.read().decode(errors="surrogateescape") for file in (out, err))
    return subprocess.CompletedProcess([module, *words], code, said, complained)


@functools.cache
def _forker() -> socket.socket:
    """Start what all programs of this process are forked from; it ends with this process."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NSML_")}
    with its:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm", str(its.fileno())],
            cwd=_ROOT,
            env=kept,
            pass_fds=[its.fileno()],
            stdin=subprocess.DEVNULL,
        )
    atexit.register(process.wait)
    atexit.register(ours.close)  # before it: what is registered last is called first
    return ours


class _Forker:
    """What programs are forked from: single-threaded, for a thread's locks would be forked too."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._woken, self._signals = socket.socketpair()
        self._reports: dict[int, int] = {}

    def serve(self) -> Asked:
        """Fork until nobody can ask any more; return, in a child, what it is to be."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # who types Ctrl-C means the tests
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._signals.setblocking(False)
        signal.set_wakeup_fd(self._signals.fileno())
        while True:
            ready, _, _ = select.select([self._woken, self._control], [], [])
            if self._woken in ready:
                self._woken.recv(4096)
                self._tell_ends()
            if self._control in ready:
                data, given, _, _ = socket.recv_fds(self._control, _REQUEST_BYTES, 4)
                if not data:
                    sys.exit()
                if self._fork(given) == 0:
                    return dict(json.loads(data))

    def _fork(self, given: list[int]) -> int:
        *outs, report = given
        pid = os.fork()
        if pid == 0:
            self._leave()
            for at, end in enumerate(outs):
                os.dup2(end, at)
            os.close(report)
        else:
            self._reports[pid] = report
            os.write(report, b"%d\n" % pid)
        for end in outs:
            os.close(end)
        return pid

    def _leave(self) -> None:
        """Be no forker any more."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for end in (self._control, self._woken, self._signals):
            end.close()
        for report in self._reports.values():
            os.close(report)

    def _tell_ends(self) -> None:
        while self._reports and (ended := os.waitpid(-1, os.WNOHANG))[0]:
            report = self._reports.pop(ended[0])
            with contextlib.suppress(BrokenPipeError):  # nobody waits for it
                os.write(report, b"%d\n" % ended[1])
            os.close(report)


def _import_all() -> None:
    for name in _MODULES:
        found = importlib.import_module(name)
        for module in pkgutil.walk_packages(getattr(found, "__path__", ()), f"{name}."):
            if not module.name.endswith(".__main__"):
                importlib.import_module(module.name)
    (thread,) = Path("/proc/self/task").iterdir()
    assert thread.name == str(os.getpid())


def main() -> None:
    """Serve on the socket of this number; a child becomes the program that was asked for."""
    _import_all()
    gc.collect()
    gc.freeze()
    asked = _Forker(socket.socket(fileno=int(sys.argv[1]))).serve()
    os.umask(asked["umask"])
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    sys.path[0] = asked["cwd"]
    sys.argv = [asked["module"], *asked["words"]]
    runpy.run_module(asked["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
