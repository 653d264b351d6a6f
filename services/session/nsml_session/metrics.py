"""What is asked of metrics: the points of some series, in buckets if wanted, and as they come."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nsml_core.errors import Invalid
from nsml_core.store import Store
from nsml_protos import session_pb2 as pb
from nsml_protos.gangs import node_count
from nsml_protos.session_pb2 import Frame, MetricsNews, MetricsReply, MetricsRequest, Session
from nsml_session.chunks import Bucket, merged, summary
from nsml_session.columns import Columns, gather, line, to_series, within
from nsml_session.frames import Frames
from nsml_session.live import Hub, first_word
from nsml_session.merging import Seen
from nsml_session.patterns import pattern
from nsml_session.pieces import Piece, is_parted
from nsml_session.pieces import Told as ToldPoints
from nsml_session.points import PointTables
from nsml_session.records import RecordTable
from nsml_session.slots import RANK_BITS
from nsml_session.state import LIVE
from nsml_session.told import Followed, Told, says

_BUCKETS_MAX = 100_000
_REPLY_POINTS = 2_000_000
"""One reply holds no more, since a message has an end."""

_NEWS_POINTS = 100_000


class Metrics:
    """Joins the points that are in the tables and those that are told right now."""

    def __init__(
        self,
        points: PointTables,
        records: RecordTable,
        sessions: Store[Session],
        frames: Frames,
        told: Told,
        ended: Hub[None],
    ) -> None:
        self._points = points
        self.records = records
        self._sessions = sessions
        self._frames = frames
        self._told = told
        self._ended = ended

    async def read(self, request: MetricsRequest) -> MetricsReply:
        """Return the series that are asked for."""
        _, found = await self._read(request)
        return MetricsReply(series=found)

    async def _read(self, request: MetricsRequest) -> tuple[Seen, list[pb.Series]]:
        if request.buckets > _BUCKETS_MAX:
            raise Invalid(f"At most {_BUCKETS_MAX} buckets can be asked for.")
        await self._frames.flush(request.name)
        ranks = node_count((await self._sessions.get(request.name)).spec.resources)
        is_whole = not (request.HasField("from_step") or request.HasField("to_step"))
        by_summaries = request.buckets == 1 and is_whole
        wanted = pattern(request.series).fullmatch
        async with (
            self._points.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            newest = await connection.fetch(_NEWEST, request.name, ranks - 1, RANK_BITS)
            told = await self._points.read(connection, request.name, wanted, data=not by_summaries)
            if by_summaries:
                await self._points.read_parted(connection, request.name, told)
        answer = _overviews if by_summaries else _answer
        found = await asyncio.to_thread(answer, told, request)
        return _seen(ranks, newest), found

    async def watch(self, request: MetricsRequest) -> AsyncIterator[MetricsNews]:
        """Yield what there is, and what comes, until the session has ended."""
        with self._ended.listening(request.name) as ended:
            async with self._told.listening(request.name) as told:
                async for news in self._watch(request, told, ended):
                    yield news

    async def _watch(
        self, request: MetricsRequest, told: Followed, ended: "asyncio.Queue[None]"
    ) -> AsyncIterator[MetricsNews]:
        name, wanted = request.name, pattern(request.series)
        seen, found = await self._read(request)
        for news in _anew(found):
            yield news
        while (await self._sessions.get(name)).status in LIVE or not told.empty():
            frame = await first_word(told, ended)
            if frame is None or seen.is_old(frame):
                continue
            if seen.is_next(frame) and says(frame):
                seen.note(frame)
                if series := _of(frame, request, wanted):
                    yield MetricsNews(series=series)
                continue
            # Another attempt began, or some frames were missed.
            seen, found = await self._read(request)
            for news in _anew(found):
                yield news
        newest, found = await self._read(request)
        if newest.after != seen.after:
            for news in _anew(found):
                yield news


def _answer(told: ToldPoints, request: MetricsRequest) -> list[pb.Series]:
    """Return the series that were told, sorted by name."""
    lines = {}
    for name in sorted(name for name in told if told[name]):
        attempts = {
            attempt: [piece.points for piece in pieces] for attempt, pieces in told[name].items()
        }
        lines[name] = _within(line(attempts), request)
    if not request.buckets and sum(map(len, lines.values())) > _REPLY_POINTS:
        raise Invalid(
            f"These are more than {_REPLY_POINTS} points: ask for buckets, for fewer series, "
            "or for a range of steps."
        )
    return [to_series(name, each, request.buckets) for name, each in lines.items() if len(each)]


def _overviews(told: ToldPoints, _: MetricsRequest) -> list[pb.Series]:
    return [_overview(name, told[name]) for name in sorted(told) if told[name]]


def _overview(series: str, told: Mapping[int, Sequence[Piece]]) -> pb.Series:
    """Return a series as one bucket, mostly from the summaries of its chunks."""
    buckets: list[Bucket] = []
    taken_over = np.inf
    for attempt in sorted(told, reverse=True):
        mine = told[attempt]
        for piece in reversed(mine):
            if is_parted(piece, taken_over):
                points = piece.points
                buckets.insert(0, summary(points.at(~(points.steps >= taken_over))))
            elif not piece.bucket.first_step >= taken_over:
                buckets.insert(0, piece.bucket)
        taken_over = min([taken_over, *(piece.bucket.first_step for piece in mine)])
    return merged(series, buckets)


def _range(request: MetricsRequest) -> tuple[float, float]:
    first = request.from_step if request.HasField("from_step") else float("-inf")
    last = request.to_step if request.HasField("to_step") else float("inf")
    return first, last


def _within(points: Columns, request: MetricsRequest) -> Columns:
    first, last = _range(request)
    return points if (first, last) == (float("-inf"), float("inf")) else within(points, first, last)


def _of(frame: Frame, request: MetricsRequest, wanted: re.Pattern[str]) -> list[pb.Series]:
    """Return what a frame tells of the series that are asked for, in the order it was reported."""
    if not frame.points.values:
        return []
    first, last = _range(request)
    return [
        to_series(name, kept)
        for name, columns in gather([frame.points]).items()
        if wanted.fullmatch(name)
        and len(kept := columns.at(~((columns.steps < first) | (columns.steps > last))))
    ]


def _anew(found: Sequence[pb.Series]) -> Iterator[MetricsNews]:
    """Yield all that there is, in pieces of a bounded size."""
    piece = MetricsNews(anew=True)
    size = 0
    for series in found:
        if size + len(series.values) > _NEWS_POINTS and size:
            yield piece
            piece, size = MetricsNews(), 0
        piece.series.append(series)
        size += len(series.values)
    piece.live = True
    yield piece


def _seen(ranks: int, rows: Sequence[Any]) -> Seen:
    seen = Seen.nothing(ranks)
    for row in rows:
        seen.after[row["rank"]] = (row["attempt"], row["number"])
    return seen


# Of each runner the newest frame in the newest attempt that told anything.
_NEWEST = (
    "select rank, attempt, newest.number from "
    "(select max(attempt) as attempt from session_frames.frame where name = $1) as latest, "
    "generate_series(0::bigint, $2) as rank, lateral (select number from session_frames.frame "
    "where name = $1 and attempt = latest.attempt "
    "and number between rank << $3 and ((rank + 1) << $3) - 1 "
    "order by number desc limit 1) as newest"
)
