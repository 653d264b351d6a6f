"""Where in a log a reader stands."""

from nsml_protos.session_pb2 import LogPiece, LogsRequest


class Place:
    """Knows what was told: when a stream breaks, no line is told twice, and none is left out."""

    def __init__(self, since_us: int) -> None:
        self._time_us = since_us
        self._told = 0  # of that time
        self._known = 0  # of those: to pass over when the log is read again

    @classmethod
    def read(cls, mark: str) -> "Place":
        """Return the place of a mark; of what is none, the beginning."""
        time_us, _, told = mark.partition(".")
        is_mark = time_us.isdecimal() and told.isdecimal()
        place = cls(int(time_us) if is_mark else 0)
        place._told = int(told) if is_mark else 0
        return place

    @property
    def mark(self) -> str:
        """What another reader goes on from: all until here was told."""
        return f"{self._time_us}.{self._told}"

    def request(self, wanted: LogsRequest) -> LogsRequest:
        """Return what to ask for, from here on."""
        self._known = self._told
        asked = LogsRequest()
        asked.CopyFrom(wanted)
        asked.since_us = self._time_us
        if self._time_us > wanted.since_us:
            asked.tail = 0
        return asked

    def passes(self, piece: LogPiece) -> bool:
        """Take a piece; tell whether it is new."""
        if piece.time_us == self._time_us and self._known:
            self._known -= 1
            return False
        if piece.time_us > self._time_us:
            self._time_us, self._told = piece.time_us, 0
        self._told += piece.time_us == self._time_us
        return True
