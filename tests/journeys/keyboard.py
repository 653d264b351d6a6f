"""A real terminal with a command in it: what a person sees, and types."""

import os
import pty
import re
import subprocess
import sys
import termios
from types import TracebackType
from typing import Any, Self

from nsml_runner import controlling
from tests.journeys.person import Person

_ESCAPES = re.compile(rb"\x1b\[[?0-9;]*[a-zA-Z]|\x1b\[\?2004[hl]")


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
        while text not in self.seen:
            self.seen += _ESCAPES.sub(b"", os.read(self._ours, 65536)).decode()
        before, _, self.seen = self.seen.partition(text)
        return before

    def resize(self, rows: int, columns: int) -> None:
        termios.tcsetwinsize(self._ours, (rows, columns))

    def ends(self) -> tuple[int, Any]:
        """Wait for the command's end; return its exit code, and how it leaves the terminal."""
        return self.process.wait(), termios.tcgetattr(self._theirs)
