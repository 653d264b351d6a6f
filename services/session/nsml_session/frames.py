"""What runners tell that is no transition: log lines, metric points and use, in tables.

A frame is acknowledged to its runner only when its rows are committed, so that the runner's spool
and these tables never lack the same frame. Until then the runner keeps it: no third buffer stands
between the two, which could lose what the one has forgotten and the other has not seen.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

from zstandard import ZstdCompressor, ZstdDecompressor

from nsml_core.database import AWAY, Pool, making
from nsml_protos.session_pb2 import Frame, Usage
from nsml_session import claims, quota, rooms
from nsml_session.fair import FairQueue
from nsml_session.instruments import FRAMES
from nsml_session.pieces import without_points
from nsml_session.points import PointTables
from nsml_session.quota import Quota
from nsml_session.records import RecordTable
from nsml_session.slots import NUMBER_MAX, START, Place, place, slot

_WAITING_MAX = 8
"""Frames of one session; a runner that finds so many waiting sends no more for now, and spools."""

_BATCH_BYTES = 4 << 20
"""What one transaction takes, of each session in turn: so long a flood keeps others waiting."""

_PAGE = 50
_AGAIN_SECONDS = 0.2

Row = tuple[Any, ...]
_DATA_COLUMN = 5

_decompressor = ZstdDecompressor()
_log = logging.getLogger("nsml.frames")


class Frames:
    """Writes frames into tables, many at a time, and reads them again."""

    def __init__(self, pool: Pool, kept: Quota, points: PointTables, records: RecordTable) -> None:
        self._pool = pool
        self._quota = kept
        self._points = points
        self._records = records
        self._waiting: FairQueue[tuple[Frame | None, asyncio.Future[None]]]
        self._waiting = FairQueue(_WAITING_MAX, _BATCH_BYTES)

    @property
    def pool(self) -> Pool:
        """Where the tables are, for those who read them by themselves."""
        return self._pool

    async def open(self) -> None:
        """Make the tables if they are not there."""
        async with making(self._pool, "session_frames") as connection:
            for statement in _DDL:
                await connection.execute(statement)
            await self._points.open(connection)
            await self._records.open(connection)
            for make in (quota.make, claims.make, rooms.make):
                await make(connection)

    async def take(self, frame: Frame) -> "asyncio.Future[None]":
        """Take a frame in, when there is room; what is returned is done once it is committed."""
        return await self._take(frame.ref.name, frame)

    async def flush(self, name: str) -> None:
        """Return once all that was taken in of a session before is in the tables."""
        await (await self._take(name, None))

    async def _take(self, name: str, frame: Frame | None) -> "asyncio.Future[None]":
        committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._waiting.put(name, (frame, committed), frame.ByteSize() if frame else 0)
        return committed

    async def run(self) -> None:
        """Write what is taken in, for ever."""
        while True:
            batch = await self._waiting.take()
            await self._write([frame for frame, _ in batch if frame is not None])
            for _, committed in batch:
                if not committed.done():
                    committed.set_result(None)

    async def _write(self, frames: Sequence[Frame]) -> None:
        while frames:
            try:
                await self._commit(frames)
            except AWAY as error:
                _log.warning("PostgreSQL is away: %s", error)
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                return

    async def _commit(self, frames: Sequence[Frame]) -> None:
        heard = datetime.now(UTC)
        rows = await asyncio.to_thread(_rows, frames, heard)  # others are listened to meanwhile
        async with self._pool.acquire() as connection, connection.transaction():
            # What came before has been counted before: its points too.
            inserted = {tuple(row) for row in await connection.fetchmany(_INSERT, rows)}
            new = [frame for frame in frames if (frame.ref.name, *place(frame)) in inserted]
            new = list({(frame.ref.name, *place(frame)): frame for frame in new}.values())
            await self._points.keep(connection, new)
            await self._records.keep(connection, new)
            await connection.executemany(_SUMMARISE, _latest(new))
        self._points.kept(new)
        FRAMES.add(len(frames))
        for frame, row in zip(frames, rows, strict=True):
            if frame.log:
                self._quota.note(frame.ref.name, len(row[_DATA_COLUMN]))

    async def read(
        self, name: str, column: str, after: Place = START, rank: int = 0
    ) -> AsyncIterator[Frame]:
        """Yield the frames of a session's runner that have a `log` or `usage`, in order."""
        while True:
            rows = await self._pool.fetch(
                f"select attempt, number, data from session_frames.frame "
                f"where name = $1 and has_{column} and (attempt, number) > ($2, $3) "
                f"and number between $4 and $5 order by attempt, number limit {_PAGE}",
                name,
                *after,
                slot(rank, 0),
                slot(rank, NUMBER_MAX),
            )
            for row in rows:
                yield Frame.FromString(_decompressor.decompress(row["data"]))
                after = (row["attempt"], row["number"])
            if len(rows) < _PAGE:
                return

    async def summaries(self, names: Sequence[str]) -> dict[str, dict[str, float]]:
        """Return the latest values that sessions reported with summary=True."""
        found: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for row in await self._pool.fetch(
            "select name, series, value from session_frames.latest where name = any($1)",
            list(names),
        ):
            found[row["name"]][row["series"].decode()] = row["value"]
        return found

    async def summaries_at(
        self, names: Sequence[str], time: datetime
    ) -> dict[str, dict[str, float]]:
        """Return what `summaries` returned at a time.

        A series that had not been reported in the newest frames of then is left out.
        """
        told_since = [
            row["name"]
            for row in await self._pool.fetch(
                "select name from unnest($1::text[]) as name where $2 < ("
                "select heard from session_frames.frame as frame where frame.name = name.name "
                "order by attempt desc, number desc limit 1)",
                list(names),
                time,
            )
        ]
        found = await self.summaries(names)
        for name in told_since:
            then = await self._newest_summary(name, time, 1)
            if then.keys() != found.get(name, {}).keys():
                then = await self._newest_summary(name, time, _PAGE)
            found[name] = then
        return found

    async def _newest_summary(self, name: str, time: datetime, depth: int) -> dict[str, float]:
        """Return what the newest frames of a time say, so many of them."""
        rows = await self._pool.fetch(
            "select data from session_frames.frame where name = $1 "
            "and (has_points or has_summary) and heard <= $2 "
            "order by attempt desc, number desc limit $3",
            name,
            time,
            depth,
        )
        found: dict[str, float] = {}
        for row in reversed(rows):
            frame = Frame.FromString(_decompressor.decompress(row["data"]))
            found.update(frame.points.summary)
        return found

    async def newest(self, name: str, attempt: int, rank: int = 0) -> int:
        """Return the number of a runner's newest frame; 0 before the first."""
        found: int | None = await self._pool.fetchval(
            f"select max(number) from session_frames.frame where {_OF_RUNNER}",
            *_runner(name, attempt, rank),
        )
        return found - slot(rank, 0) if found else 0

    async def last_heard(self, name: str, attempt: int, rank: int = 0) -> datetime | None:
        """Return when the newest frame of a runner was taken in; None if there is none."""
        found: datetime | None = await self._pool.fetchval(
            f"select max(heard) from session_frames.frame where {_OF_RUNNER}",
            *_runner(name, attempt, rank),
        )
        return found

    async def samples_before(self, frame: Frame, since: datetime) -> list[Frame]:
        """Return the frames with samples before one of its attempt, taken in since a time."""
        rows = await self._pool.fetch(
            f"select data from session_frames.frame where {_OF_RUNNER} "
            "and number < $5 and has_usage and heard > $6 order by number",
            *_runner(frame.ref.name, frame.ref.attempt, frame.ref.rank),
            place(frame)[1],
            since,
        )
        return [Frame.FromString(_decompressor.decompress(row["data"])) for row in rows]

    async def newest_usage(self, name: str, attempt: int, rank: int = 0) -> Usage | None:
        """Return the newest sample of what a runner's code uses; None before the first."""
        data = await self._pool.fetchval(
            f"select data from session_frames.frame where {_OF_RUNNER} "
            "and has_usage order by number desc limit 1",
            *_runner(name, attempt, rank),
        )
        return Frame.FromString(_decompressor.decompress(data)).usage[-1] if data else None

    async def forget(self, name: str) -> None:
        """Delete what a removed session told."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("delete from session_frames.frame where name = $1", name)
            await connection.execute("delete from session_frames.latest where name = $1", name)
            await connection.execute("delete from session_frames.gap where name = $1", name)
            await self._points.forget(connection, name)
            await self._records.forget(connection, name)


_OF_RUNNER = "name = $1 and attempt = $2 and number between $3 and $4"


def _runner(name: str, attempt: int, rank: int) -> tuple[str, int, int, int]:
    return (name, attempt, slot(rank, 0), slot(rank, NUMBER_MAX))


_FRAMES = (
    "create table if not exists session_frames.frame ("
    "name text, attempt int, number bigint, has_log boolean, has_points boolean, "
    "has_usage boolean, data bytea, primary key (name, attempt, number))"
)
# A series is named by user code: bytes hold any name, and this type any value.
_LATEST = (
    "create table if not exists session_frames.latest ("
    "name text, series bytea, value double precision, primary key (name, series))"
)
# Frames from before this column count as heard when it was added: nobody knows it better.
_HEARD = (
    "alter table session_frames.frame "
    "add column if not exists heard timestamptz not null default now()"
)
_DDL = (_FRAMES, _HEARD, _LATEST)
_INSERT = (
    "insert into session_frames.frame (name, attempt, number, has_log, has_points, has_usage, "
    "data, heard, has_summary) values ($1, $2, $3, $4, false, $5, $6, $7, $8) "
    "on conflict do nothing returning name, attempt, number"
)
_SUMMARISE = (
    "insert into session_frames.latest values ($1, $2, $3) "
    "on conflict (name, series) do update set value = excluded.value"
)


def _rows(frames: Sequence[Frame], heard: datetime) -> list[Row]:
    compressor = ZstdCompressor(level=1)  # one may not serve two threads
    return [_row(frame, heard, compressor) for frame in frames]


def _latest(frames: Sequence[Frame]) -> list[tuple[str, bytes, float]]:
    return [
        (frame.ref.name, series.encode(), value)
        for frame in frames
        for series, value in frame.points.summary.items()
    ]


def _row(frame: Frame, heard: datetime, compressor: ZstdCompressor) -> Row:
    return (
        frame.ref.name,
        *place(frame),
        bool(frame.log),
        bool(frame.usage),
        compressor.compress(without_points(frame).SerializeToString()),
        heard,
        bool(frame.points.summary),
    )
