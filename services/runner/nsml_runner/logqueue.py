"""Output that waits to be told: bounded, and each stream apart, so that none pushes out another."""

from collections import deque
from dataclasses import dataclass, field

from nsml_protos.session_pb2 import PLATFORM, STDOUT, LogPiece, Source

_REOPEN_SECONDS = 1.0


@dataclass(slots=True)
class _Lane:
    """What waits of one stream, numbered in order of capture."""

    pieces: deque[tuple[int, LogPiece]] = field(default_factory=deque)
    bytes: int = 0
    dropped: int = 0
    is_cut: bool = False
    """What was dropped last ended within a line."""


class LogQueue:
    """When there is too much, the oldest of the longest stream is dropped; the newest is kept."""

    def __init__(self) -> None:
        self._lanes: dict[Source.ValueType, _Lane] = {}
        self._count = 0
        self.bytes = 0
        self.has_dropped = False

    def __bool__(self) -> bool:
        return self.bytes > 0

    def add(self, piece: LogPiece) -> None:
        lane = self._lanes.setdefault(piece.source, _Lane())
        self._count += 1
        lane.pieces.append((self._count, piece))
        lane.bytes += len(piece.data)
        self.bytes += len(piece.data)

    def drop_beyond(self, limit: int) -> None:
        while self.bytes > limit:
            lane = max(self._lanes.values(), key=lambda lane: lane.bytes)
            if len(lane.pieces) == 1:
                return
            dropped = self._pop(lane).data
            lane.dropped += len(dropped)
            lane.is_cut = not dropped.endswith(b"\n")
            self.has_dropped = True

    def take(self, limit: int) -> list[LogPiece]:
        """Return so many bytes of the oldest, or a piece more; and what was dropped before them."""
        taken: list[LogPiece] = []
        while self.bytes and limit > 0:
            filled = [lane for lane in self._lanes.values() if lane.pieces]
            lane = min(filled, key=lambda lane: lane.pieces[0][0])
            piece = self._pop(lane)
            limit -= len(piece.data)
            taken += _told(lane, piece) if lane.dropped else [piece]
        return taken

    def _pop(self, lane: _Lane) -> LogPiece:
        _, piece = lane.pieces.popleft()
        lane.bytes -= len(piece.data)
        self.bytes -= len(piece.data)
        return piece


def _told(lane: _Lane, piece: LogPiece) -> list[LogPiece]:
    """Say what was dropped, and go on with a whole line."""
    begin = piece.data.find(b"\n") + 1 if lane.is_cut else 0
    lane.dropped += begin
    what = "output" if piece.source == STDOUT else f"{Source.Name(piece.source).lower()} output"
    sentence = f"{lane.dropped} bytes of {what} were dropped here: they came faster than the log"
    notice = LogPiece(
        time_us=piece.time_us,
        source=PLATFORM,
        data=f"{sentence} takes them\n".encode(),
        dropped=lane.dropped,
    )
    lane.dropped, lane.is_cut = 0, False
    piece.data = piece.data[begin:]
    return [notice, piece]


class Rate:
    """How much may be told: so much at once, then so much a second, in parcels of a second."""

    def __init__(self, bytes_per_second: int, burst: int) -> None:
        self._rate = max(1, bytes_per_second)
        self._burst = max(burst, self._rate)
        self._room = float(self._burst)
        self._at = 0.0
        self._is_closed = False

    def room(self, now: float) -> int:
        """Return how many bytes may go now; once it was nothing, nothing for a second."""
        self._room = min(self._burst, self._room + (now - self._at) * self._rate)
        self._at = now
        if self._room <= 0:
            self._is_closed = True
        elif self._room >= self._rate * _REOPEN_SECONDS:
            self._is_closed = False
        return 0 if self._is_closed else int(self._room)

    def spend(self, size: int) -> None:
        self._room -= size
