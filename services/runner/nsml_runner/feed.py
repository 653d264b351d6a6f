"""What the attempt has to tell: output, metric points and usage, cut into frames at a calm pace."""

import asyncio
import os
import time
from collections.abc import Mapping

from nsml_core import log_limits
from nsml_protos import session_pb2
from nsml_runner.logqueue import LogQueue, Rate
from nsml_runner.messages import Reports
from nsml_runner.points import SERIES_LIMIT, PointBatch
from nsml_runner.ranks import of_rank, ranked
from nsml_runner.records import RECORDS_BYTES_MAX, RECORDS_MAX, RecordQueue
from nsml_runner.spool import Spool

PACE_SECONDS = 0.05
"""Between two frames; the first after a silence goes at once."""
POINTS_PACE_SECONDS = 0.1
FRAME_POINTS = 20_000
"""So many points go at once."""

USAGE_PACE_SECONDS = 0.5
FRAME_BYTES = 256 << 10
BEAT_SECONDS = 5.0
"""A runner is heard at least this often, as long as the platform takes what it says."""

TAIL_BYTES = 1 << 20
"""While no more may be told, so much of the newest output is kept; what is between is dropped."""


def now_us() -> int:
    return time.time_ns() // 1000


class Feed:
    def __init__(
        self,
        spool: Spool,
        ref: session_pb2.AttemptRef,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._spool = spool
        self._ref = ref
        self._loop = asyncio.get_running_loop()
        self._log = LogQueue()
        limits = log_limits.read(environ)
        self._rate = Rate(limits.rate, limits.burst)
        self.points = PointBatch()
        self._records = RecordQueue()
        self._usage: list[session_pb2.Usage] = []
        self._timer: asyncio.TimerHandle | None = None
        self._flushed_at = 0.0
        self._last = False
        self.rank = 0
        """Of the process that speaks here, among all of its session."""

    def log(self, source: session_pb2.Source.ValueType, data: bytes) -> None:
        piece = session_pb2.LogPiece(time_us=now_us(), source=source, data=data, rank=self.rank)
        self._log.add(piece)
        if not self._log_room():
            self._log.drop_beyond(TAIL_BYTES)
        self._flush_soon(PACE_SECONDS)

    def _log_room(self) -> int:
        """Return how many bytes of output may be told now."""
        return 0 if self._spool.full else self._rate.room(self._loop.time())

    @property
    def has_dropped(self) -> bool:
        """Some output is not in the log."""
        return self._log.has_dropped

    def say(self, sentence: str) -> None:
        """A line from the platform itself."""
        self.log(session_pb2.PLATFORM, f"{sentence}\n".encode())

    def report(self, reports: Reports) -> None:
        self.points.add(of_rank(reports, self.rank), now_us())
        self._flush_soon(POINTS_PACE_SECONDS)

    def record(self, record: session_pb2.Record) -> None:
        """Take an image or its like in."""
        record.name = ranked(record.name, self.rank)
        self._records.add(record, now_us())
        self._flush_soon(POINTS_PACE_SECONDS)

    def usage(self, sample: session_pb2.Usage) -> None:
        self._usage.append(sample)
        self._flush_soon(USAGE_PACE_SECONDS)

    async def beat(self) -> None:
        """Break each silence by a frame without content, for ever."""
        began = self._loop.time()
        while True:
            silence = self._loop.time() - max(began, self._flushed_at)
            if silence < BEAT_SECONDS:
                await asyncio.sleep(BEAT_SECONDS - silence)
                continue
            if self._spool.last == self._spool.acknowledged:  # else there is more to send
                self._cut()
            self._flushed_at = self._loop.time()

    def _flush_soon(self, pace: float) -> None:
        due = self._flushed_at + pace
        enough_log = self._log.bytes >= FRAME_BYTES and self._log_room()
        if enough_log or len(self.points) >= FRAME_POINTS:
            due = 0.0
        if due <= self._loop.time():
            self.flush()
        elif self._timer is None or self._timer.when() > due:
            self._arm(due)

    def _arm(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self.flush)

    def flush(self, *, last: bool = False) -> None:
        """Cut frames from what has come up and may be told; what is left is tried again later."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._last = last
        if self._spool.full and not last:
            self._arm(self._loop.time() + USAGE_PACE_SECONDS)
            return
        while self._log_due(last=last) or self.points or self._usage or self._records:
            self._cut(FRAME_BYTES if last else self._log_room())
        self._flushed_at = self._loop.time()
        if self._log:
            self._arm(self._flushed_at + POINTS_PACE_SECONDS)

    def _log_due(self, *, last: bool) -> bool:
        return bool(self._log and (last or self._log_room()))

    def _cut(self, log_bytes: int = FRAME_BYTES) -> None:
        log = self._log.take(min(FRAME_BYTES, log_bytes))
        self._rate.spend(sum(len(piece.data) for piece in log))
        frame = session_pb2.Frame(
            ref=self._ref,
            number=self._spool.last + 1,
            log=[*self._drop_notice(), *log],
            points=self.points.take(),
            usage=self._usage,
            records=self._records.take(FRAME_BYTES),
        )
        self._usage = []
        self._spool.append(frame.SerializeToString())

    def _drop_notice(self) -> list[session_pb2.LogPiece]:
        fast = "they came faster than the platform took them"
        lost = [
            (self.points.dropped, "metric points", fast),
            (
                self.points.take_beyond(last=self._last),
                "metric points",
                f"only the first {SERIES_LIMIT} series of an attempt are kept",
            ),
            (
                self._records.dropped,
                "images, texts, tables or histograms",
                f"an attempt keeps {RECORDS_MAX}, and {RECORDS_BYTES_MAX >> 20} MiB of them",
            ),
        ]
        self.points.dropped = self._records.dropped = 0
        sentences = [
            f"{count} {what} were dropped here: {why}\n" for count, what, why in lost if count
        ]
        at_us = now_us()
        return [
            session_pb2.LogPiece(time_us=at_us, source=session_pb2.PLATFORM, data=sentence.encode())
            for sentence in sentences
        ]
