"""A real terminal with a command in it: what a person sees, and types."""

import codecs
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from types import TracebackType
from typing import Any, Self

import pytest

from nsml_runner import controlling
from tests.journeys.person import Person

_LOOK_SECONDS = 1  # how often a silent command is asked whether it still runs
_PATIENCE_SECONDS = 120  # within a test's own limit, so that what was on the screen is told
_ESCAPES = re.compile(r"\x1b\[[?0-9;]*[a-zA-Z]")


class Keyboard:
    """`nsml` typed in a terminal of this test's own."""

    def __init__(self, person: Person, *words: str) -> None:
        self._ours, self._theirs = pty.openpty()
        termios.tcsetwinsize(self._theirs, (30, 100))
        self.modes = termios.tcgetattr(self._theirs)
        self.process = subprocess.Popen(
            [sys.executable, controlling.__file__, sys.executable, "-m", "nsml_cli", *words],
            cwd=person.folder,
            env={**person.environ, "TERM": "xterm", "NO_COLOR": "1"},
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            start_new_session=True,
        )
        self.seen = ""
        self._decode = codecs.getincrementaldecoder("utf-8")().decode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def sees(self, text: str) -> str:
        """Wait until a text is there; return what came before it, and begin behind it."""
        until = time.monotonic() + _PATIENCE_SECONDS
        while text not in self.seen:
            has_ended = self.process.poll() is not None  # asked first: what it said last is read
            if self._shows(0 if has_ended else _LOOK_SECONDS):
                self._read()
            elif has_ended or time.monotonic() > until:
                code = self.process.returncode
                pytest.fail(f"No {text!r} (exit code: {code}) on the screen: {self.seen!r}")
        before, _, self.seen = self.seen.partition(text)
        return before

    def _read(self) -> None:
        """See more; what is read in two pieces counts when it is whole."""
        self.seen += self._decode(os.read(self._ours, 65536))
        self.seen = _ESCAPES.sub("", self.seen)

    def _shows(self, within_seconds: float) -> bool:
        return bool(select.select([self._ours], [], [], within_seconds)[0])

    def resize(self, rows: int, columns: int) -> None:
        termios.tcsetwinsize(self._ours, (rows, columns))

    def ends(self) -> tuple[int, Any]:
        """Wait for the command's end; return its exit code, and how it leaves the terminal."""
        return self.process.wait(), termios.tcgetattr(self._theirs)
