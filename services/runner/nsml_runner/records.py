"""Histograms, images, texts and tables, between two frames: bounded in number and in bytes."""

from collections import deque

from nsml_protos import session_pb2

RECORDS_MAX = 10_000
RECORDS_BYTES_MAX = 256 << 20
"""Of one attempt; what is beyond is dropped, and counted."""

WAITING_BYTES_MAX = 16 << 20
"""Between two frames, while the spool takes no more."""


class RecordQueue:
    def __init__(self) -> None:
        self.dropped = 0
        self._count = 0
        self._bytes = 0
        self._waiting: deque[session_pb2.Record] = deque()
        self._waiting_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, record: session_pb2.Record, now_us: int) -> None:
        size = len(record.data)
        if (
            self._count >= RECORDS_MAX
            or self._bytes + size > RECORDS_BYTES_MAX
            or self._waiting_bytes + size > WAITING_BYTES_MAX
        ):
            self.dropped += 1
            return
        record.time_us = record.time_us or now_us
        self._count += 1
        self._bytes += size
        self._waiting.append(record)
        self._waiting_bytes += size

    def take(self, limit: int) -> list[session_pb2.Record]:
        """Return records of about so many bytes; at least one if there is one."""
        taken: list[session_pb2.Record] = []
        size = 0
        while self._waiting and (not taken or size + len(self._waiting[0].data) <= limit):
            taken.append(self._waiting.popleft())
            size += len(taken[-1].data)
        self._waiting_bytes -= size
        return taken
