"""Pieces of output, put together to lines as a terminal would show them at the end."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from nsml_protos.session_pb2 import Frame, LogPiece, Source

_ROWS_MAX = 16
"""So many lines of progress bars may still change; what stands above them is final."""

_LINE_BYTES_MAX = 1 << 20
_MOVES = re.compile(rb"\r|\x1b\[\d{0,4}[ABK]")
_TOKENS = re.compile(rb"[\r\n]|\x1b\[(\d{0,4})([ABK])|[^\r\n\x1b]+|\x1b")
# A sequence that the next piece may finish.
_UNFINISHED = re.compile(rb"\x1b(?:\[\d{0,4})?\Z")
_UNFINISHED_MAX = 6
# What torchrun (--tee) and PyTorch itself put before the lines of a rank.
_RANK = re.compile(rb"\[(?:rank|default)(\d{1,6})\]:")


@dataclass(slots=True)
class _Row:
    """A line that may still change."""

    text: bytes = b""
    time_us: int = 0
    is_bar: bool = False
    """It was written over, or will be."""

    returned: bool = False
    fresh: bool = True
    """The cursor is at its beginning: what comes takes the place of what is there."""


@dataclass(slots=True)
class _Screen:
    """The last lines of one stream of one process, with a cursor as a terminal has it."""

    source: "Source.ValueType"
    rank: int
    attempt: int
    rows: list[_Row] = field(default_factory=lambda: [_Row()])
    at: int = 0
    rest: bytes = b""

    def write(self, data: bytes, time_us: int) -> Iterator[LogPiece]:
        """Take output, and yield the lines that are final now."""
        data = self.rest + data
        unfinished = _UNFINISHED.search(data, max(0, len(data) - _UNFINISHED_MAX))
        self.rest = unfinished[0] if unfinished else b""
        data = data[: len(data) - len(self.rest)]
        row = self.rows[0]
        if len(self.rows) > 1 or row.is_bar or row.returned or _MOVES.search(data):
            yield from self._move(data, time_us)
            return
        *whole, rest = data.split(b"\n")
        for text in whole:
            self._put(text, time_us)
            yield from self._end(1)
        if rest:
            self._put(rest, time_us)

    def _move(self, data: bytes, time_us: int) -> Iterator[LogPiece]:
        for token in _TOKENS.finditer(data):
            match token[0], token[2]:
                case b"\n", _:
                    yield from self._down(time_us)
                case b"\r", _:
                    row = self.rows[self.at]
                    row.fresh = row.returned = True
                case _, b"A":
                    self.at = max(0, self.at - int(token[1] or 1))
                case _, b"B":
                    self.at = min(len(self.rows) - 1, self.at + int(token[1] or 1))
                case _, b"K":
                    pass
                case text, _:
                    self._put(text, time_us)

    def _put(self, text: bytes, time_us: int) -> None:
        row = self.rows[self.at]
        if row.fresh:
            row.text, row.is_bar = b"", row.returned
            row.fresh = row.returned = False
        row.text += text
        row.time_us = time_us
        if len(row.text) > _LINE_BYTES_MAX:  # of no runner: theirs are cut
            row.text = row.text[-_LINE_BYTES_MAX:]

    def _down(self, time_us: int) -> Iterator[LogPiece]:
        row = self.rows[self.at]
        row.time_us = row.time_us or time_us
        if self.at == len(self.rows) - 1:
            if not row.is_bar:
                yield from self._end(len(self.rows))
                return
            self.rows.append(_Row())
            yield from self._end(len(self.rows) - _ROWS_MAX)
        self.at = min(len(self.rows) - 1, self.at + 1)
        self.rows[self.at].fresh = True

    def settle(self) -> Iterator[LogPiece]:
        """Yield all lines but the last: nothing has come for a while."""
        yield from self._end(len(self.rows) - 1)

    def finish(self, end: bytes = b"") -> Iterator[LogPiece]:
        """Yield what is left."""
        if self.rest:
            self._put(self.rest, self.rows[self.at].time_us)
        last = self.rows.pop()
        yield from self._end(len(self.rows))
        if last.text:
            yield self._line(last, end)

    def _end(self, count: int) -> Iterator[LogPiece]:
        """Yield the first lines, which do not change any more."""
        for row in self.rows[: max(0, count)]:
            if not row.is_bar or row.text.strip():
                yield self._line(row, b"\n")
        del self.rows[: max(0, count)]
        self.rows = self.rows or [_Row()]
        self.at = max(0, self.at - max(0, count))

    def _line(self, row: _Row, end: bytes) -> LogPiece:
        tagged = _RANK.match(row.text)
        return LogPiece(
            time_us=row.time_us,
            source=self.source,
            rank=int(tagged[1]) if tagged else self.rank,
            attempt=self.attempt,
            data=(row.text.rstrip(b" ") if row.is_bar else row.text) + end,
        )


class Lines:
    """The lines of a session, each when it is final."""

    def __init__(self) -> None:
        self._screens: dict[tuple[Source.ValueType, int], _Screen] = {}
        self._attempt = 0

    def take(self, frame: Frame) -> Iterator[LogPiece]:
        """Yield the lines that a frame finishes."""
        if frame.ref.attempt != self._attempt:
            yield from self.finish()
            self._attempt = frame.ref.attempt
        for piece in frame.log:
            if piece.dropped:  # what comes does not belong to the line before
                yield from self.finish(b"\n")
            yield from self._take(piece)

    def _take(self, piece: LogPiece) -> Iterator[LogPiece]:
        key = (piece.source, piece.rank)
        if key not in self._screens:
            self._screens[key] = _Screen(*key, self._attempt)
        for line in self._screens[key].write(piece.data, piece.time_us):
            line.dropped = piece.dropped
            yield line

    def settle(self) -> Iterator[LogPiece]:
        """Yield the lines that only wait for whether they change once more."""
        for screen in self._screens.values():
            yield from screen.settle()

    def finish(self, end: bytes = b"\n") -> Iterator[LogPiece]:
        """Yield what is left, without an end if it had none."""
        screens, self._screens = self._screens, {}
        for screen in screens.values():
            yield from screen.finish(end)
