"""The output of sessions on its way out: as it is into a pipe, made harmless on a terminal.

What user code prints is anybody's text. On a terminal, colours, line ends, tabs and backspaces
pass; every other control sequence (titles, clipboards, cursor moves, questions to the terminal) is
shown instead of carried out.
"""

import codecs
import re
import sys

from nsml_cli.text import HOSTILE, escape_control
from nsml_protos.session_pb2 import LogPiece

_UNFINISHED_MAX = 64
# A sequence that the next piece may finish.
_UNFINISHED = re.compile(r"\x1b(?:\[[0-9;:]*)?\Z")
_PARTS = re.compile(r"\x1b\[[0-9;:]*m|" + HOSTILE.pattern)


class Passage:
    """Bytes in, bytes out; remembers what a piece left unfinished."""

    def __init__(self, *, to_terminal: bool) -> None:
        self._to_terminal = to_terminal
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def pass_on(self, data: bytes) -> bytes:
        """Return what of this piece and the rest of the last may be written."""
        if not self._to_terminal:
            return data
        text = self._rest + self._decoder.decode(data)
        unfinished = _UNFINISHED.search(text)
        at = unfinished.start() if unfinished else len(text)
        if len(text) - at > _UNFINISHED_MAX:
            at = len(text)
        self._rest = text[at:]
        return _harmless(text[:at])

    def finish(self) -> bytes:
        """Return what is left, with colours switched off."""
        if not self._to_terminal:
            return b""
        return _harmless(self._rest + self._decoder.decode(b"", final=True)) + b"\x1b[0m"


class Writer:
    """Writes pieces of output to standard output at once."""

    def __init__(self) -> None:
        self._out = sys.stdout.buffer
        self._passage = Passage(to_terminal=sys.stdout.isatty())
        self._at_line_start = True
        self.has_written = False

    def write(self, piece: LogPiece, _session: str = "") -> None:
        data = piece.data
        if piece.dropped and not self._at_line_start:
            data = b"\n" + data
        shown = self._passage.pass_on(data)
        if shown:
            self._out.write(shown)
            self._out.flush()
            self.has_written = True
            self._at_line_start = data.endswith(b"\n")

    def close(self) -> None:
        """End an unfinished line, so that what we say next begins its own."""
        self._out.write(self._passage.finish())
        if sys.stdout.isatty() and not self._at_line_start:
            self._out.write(b"\n")
        self._out.flush()


def harmless(line: bytes) -> bytes:
    """Return a whole line as it may be written to a terminal; its colours end with it."""
    shown = _harmless(line.removesuffix(b"\n").decode(errors="replace"))
    reset = b"\x1b[0m" if b"\x1b" in shown else b""
    return shown + reset + (b"\n" if line.endswith(b"\n") else b"")


def _harmless(text: str) -> bytes:
    return _PARTS.sub(_carry_out_or_show, text).encode()


def _carry_out_or_show(found: re.Match[str]) -> str:
    part = found[0]
    passes = len(part) > 1 or part in "\r\n\t\b"
    return part if passes else escape_control(part)
