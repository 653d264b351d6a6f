"""A real terminal: a command of its own session in a pseudo-terminal, and what its screen shows."""

import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager

import pyte

# The program itself makes the terminal its own: then Ctrl-C reaches it as it reaches people's,
# also where these tests run in the background, in which signals are ignored.
_PROGRAM = (
    "import fcntl, os, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "os.execv(sys.executable, [sys.executable, '-m', 'nsml_cli', *sys.argv[1:]])"
)
_READ_BYTES = 1 << 16
_FOREIGN = {"COLUMNS", "LINES", "NO_COLOR"}


class Terminal:
    """What stands on the screen, and the keys."""

    def __init__(
        self, size: tuple[int, int], words: tuple[str, ...], environ: dict[str, str]
    ) -> None:
        self.screen = pyte.Screen(*size)
        self.raw = b""
        self._stream = pyte.ByteStream(self.screen)
        self._ours, theirs = os.openpty()
        self.resize(*size)
        self.before = termios.tcgetattr(self._ours)
        kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={**kept, "TERM": "xterm-256color", **environ},
        )
        os.close(theirs)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    @property
    def settings(self) -> object:
        """How the terminal treats its keys."""
        return termios.tcgetattr(self._ours)

    def resize(self, columns: int, lines: int) -> None:
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, size)
        self.screen.resize(lines, columns)

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def shows(self, *wanted: str, without: str = "\0") -> str:
        """Wait until the screen shows all of this; the test's own time limit is the only one."""
        while not all(one in self.text for one in wanted) or without in self.text:
            assert self._read(), f"it ended without {wanted}: {self.text}"
        return self.text

    def ends(self, number: signal.Signals | None = None) -> int:
        """Wait for the end, after a signal if one is named; return the exit code."""
        if number:
            self._process.send_signal(number)
        while self._read():
            pass
        return self._process.wait()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def _read(self) -> bool:
        """Take in what was written; False if nobody is left to write."""
        ready, _, _ = select.select([self._ours], [], [], 0.2)
        if not ready:
            return self._process.poll() is None
        try:
            data = os.read(self._ours, _READ_BYTES)
        except OSError:  # what Linux says when the other side is closed
            return False
        self.raw += data
        self._stream.feed(data)
        return True


@contextmanager
def opened(*words: str, size: tuple[int, int] = (80, 24), **environ: str) -> Iterator[Terminal]:
    """Type a command into a terminal of this size."""
    terminal = Terminal(size, words, environ)
    try:
        yield terminal
    finally:
        terminal.close()
