"""Lines of logs for people and programs: whose they are, when they were printed; or as JSON."""

import json
import re
import sys
from datetime import UTC, datetime

from nsml_cli.logtext import harmless
from nsml_cli.text import escape_json, is_terminal
from nsml_core import times
from nsml_protos.session_pb2 import LogPiece, Source

_TAGGED = re.compile(rb"\[(?:rank|default)\d+\]:")


class Lines:
    """Writes whole lines to standard output, each at once."""

    def __init__(self, *, with_time: bool = False, as_json: bool = False, names: int = 0) -> None:
        self._with_time = with_time
        self._as_json = as_json
        self._name_width = names  # of the longest session's name; 0: there is one session
        self._ranks: set[int] = set()
        self._out = sys.stdout.buffer
        self._to_terminal = is_terminal()
        self._at_line_start = True
        self.has_written = False

    def write(self, piece: LogPiece, session: str) -> None:
        """Write one line."""
        self._ranks.add(piece.rank)
        if self._as_json:
            data = (
                f"{escape_json(json.dumps(_shape(piece, session), ensure_ascii=False))}\n".encode()
            )
        else:
            shown = harmless(piece.data) if self._to_terminal else piece.data
            data = self._head(piece, session) + shown
        if not self._at_line_start:  # the line before had no end, and this is another's
            data = b"\n" + data
        self._out.write(data)
        self._out.flush()
        self._at_line_start = data.endswith(b"\n")
        self.has_written = True

    def _head(self, piece: LogPiece, session: str) -> bytes:
        parts = []
        if self._name_width:
            parts.append(f"{session.ljust(self._name_width)} | ")
        if self._with_time:
            parts.append(f"{_time(piece, local=self._to_terminal)} ")
        if len(self._ranks) > 1 and not _TAGGED.match(piece.data):
            parts.append(f"[rank{piece.rank}]: ")
        return "".join(parts).encode()

    def close(self) -> None:
        """End an unfinished line on a terminal, so that what we say next begins its own."""
        if self._to_terminal and not self._at_line_start:
            self._out.write(b"\n")
        self._out.flush()


def _time(piece: LogPiece, *, local: bool) -> str:
    time = datetime.fromtimestamp(piece.time_us / 1e6, UTC)
    if not local:
        return times.iso(time)
    return time.astimezone().isoformat(" ", "milliseconds")[: len("2026-01-31 14:05:06.123")]


def _shape(piece: LogPiece, session: str) -> dict[str, object]:
    """Return a line as docs/cli.md describes it."""
    return {
        "session": session,
        "attempt": piece.attempt,
        "time": _time(piece, local=False),
        "stream": Source.Name(piece.source).lower(),
        "rank": piece.rank,
        "text": piece.data.removesuffix(b"\n").decode(errors="replace"),
        "dropped": piece.dropped,
    }
