"""Programs beside the user's code in the sandbox of a laptop: on pipes, or in a terminal."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import termios
from pathlib import Path

from nsml_runner import controlling
from nsml_runner.processes import descendants, exit_of
from nsml_runner.sandbox import Command, Size

HANG_UP_SECONDS = 2.0
"""Between the polite signal and the other one."""


class ProcessBeside:
    """A program in a process group and session of its own."""

    def __init__(
        self, process: subprocess.Popen[bytes], stdin: int, outputs: tuple[int, ...]
    ) -> None:
        self.process = process
        self.stdin = stdin
        self.outputs = outputs

    async def wait(self) -> int:
        if self.process.poll() is None:
            await exit_of(self.process)
        return self.process.wait()

    def resize(self, size: Size) -> None:
        with contextlib.suppress(termios.error, OSError):
            termios.tcsetwinsize(self.stdin, (size.rows, size.columns))

    async def end(self) -> None:
        """Signals go to all below it: a shell's jobs are groups of their own."""
        self._signal(signal.SIGHUP, signal.SIGCONT)
        waiting = asyncio.ensure_future(self.wait())
        await asyncio.wait({waiting}, timeout=HANG_UP_SECONDS)
        self._signal(signal.SIGKILL)
        await waiting

    def _signal(self, *numbers: signal.Signals) -> None:
        if self.process.poll() is not None:
            return
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            for number in numbers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)


def on_pipes(command: Command) -> ProcessBeside:
    process = subprocess.Popen(
        command.argv,
        cwd=command.cwd,
        env=command.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    ends = [
        os.dup(pipe.fileno()) for pipe in (process.stdin, process.stdout, process.stderr) if pipe
    ]
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            pipe.close()
    return ProcessBeside(process, ends[0], (ends[1], ends[2]))


def in_terminal(command: Command, size: Size) -> ProcessBeside:
    ours, theirs = os.openpty()
    try:
        termios.tcsetwinsize(ours, (size.rows, size.columns))
        process = subprocess.Popen(
            # Without the user's variables: Python itself would obey them.
            [sys.executable, "-I", "-S", str(Path(controlling.__file__)), *command.argv],
            cwd=command.cwd,
            env=command.env,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return ProcessBeside(process, ours, (ours,))
