"""How much of a session's output is kept: its beginning, its end, and a word on the rest."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from zstandard import ZstdCompressor, ZstdDecompressor

from nsml_core.database import AWAY, Pool
from nsml_protos.session_pb2 import PLATFORM, Frame, LogPiece
from nsml_session.slots import place
from nsml_session.told import says

_HEAD = 4  # one part in so many is the beginning
_SLACK = 16  # one part in so many goes at once, so that it seldom has to
_AGAIN_SECONDS = 1.0

_log = logging.getLogger("nsml.quota")

Row = Any
"""A row of asyncpg: attempt, number, and size or data."""


class Quota:
    """Adds up what sessions store, and takes out of the middle what is too much."""

    def __init__(self, pool: Pool, limit: int) -> None:
        self._pool = pool
        self._limit = limit
        self._slack = max(1, limit // _SLACK)
        self._stored: dict[str, int] = {}
        self._due: asyncio.Queue[str] = asyncio.Queue()

    def note(self, name: str, size: int) -> None:
        """Note that so many bytes of output were stored."""
        before = self._stored.get(name)
        self._stored[name] = (before or 0) + size
        if before is None or before <= self._limit + self._slack < before + size:
            self._due.put_nowait(name)

    def forget(self, name: str) -> None:
        """Let go of a session that has ended."""
        self._stored.pop(name, None)

    async def run(self) -> None:
        """Trim what is due, for ever."""
        while True:
            name = await self._due.get()
            try:
                await self._look(name)
            except AWAY as error:
                _log.warning("PostgreSQL is away: %s", error)
                await asyncio.sleep(_AGAIN_SECONDS)
                self._due.put_nowait(name)

    async def _look(self, name: str) -> None:
        while True:
            stored: int = await self._pool.fetchval(_STORED, name)
            self._stored[name] = stored
            if stored <= self._limit + self._slack or not await self._trim(name, stored):
                return

    async def _trim(self, name: str, stored: int) -> bool:
        """Take out the oldest frames after the beginning; False if there are none."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_ALONE, name)
            gap = await connection.fetchrow(_GAP, name)
            rows = await connection.fetch(_SIZES, name)
            ours = _middle(rows, gap, self._limit // _HEAD)
            ours = _as_much_as(ours, stored - self._limit)
            if not ours:
                return False
            data = await connection.fetch(_DATA, name, *_place(ours[0]), *_place(ours[-1]))
            frames = await asyncio.to_thread(_frames, data)
            dropped = sum(piece.dropped or len(piece.data) for one in frames for piece in one.log)
            if gap is not None:
                dropped += gap["dropped"]
                frames = [*_frames(await connection.fetch(_DATA, name, *2 * _place(gap))), *frames]
            self._empty(frames, dropped)
            await connection.execute(_REMEMBER, name, *_place(gap or ours[0]), dropped)
            await connection.executemany(_UPDATE, [_row(one) for one in frames if says(one)])
            await connection.executemany(_DELETE, [_key(one) for one in frames if not says(one)])
        return True

    def _empty(self, frames: Sequence[Frame], dropped: int) -> None:
        """Take the output out of frames, and say so in the first."""
        sentence = (
            f"{dropped} bytes of output were dropped here: "
            f"the log of a session holds {self._limit / (1 << 20):g} MiB, compressed\n"
        )
        notice = LogPiece(
            time_us=frames[0].log[0].time_us,
            source=PLATFORM,
            data=sentence.encode(),
            dropped=dropped,
        )
        for frame in frames:
            del frame.log[:]
        frames[0].log.append(notice)


async def make(connection: Any) -> None:
    """Make the table if it is not there."""
    await connection.execute(_GAPS)


def _place(row: Row) -> tuple[int, int]:
    return (row["attempt"], row["number"])


def _middle(rows: Sequence[Row], gap: Row | None, head: int) -> Sequence[Row]:
    """Return what may go: after the beginning, or after the gap that is there; never the newest."""
    if gap is not None:
        return [row for row in rows[:-1] if _place(row) > _place(gap)]
    begin = 0
    while begin < len(rows) and head > 0:
        head -= rows[begin]["size"]
        begin += 1
    return rows[begin:-1]


def _as_much_as(rows: Sequence[Row], size: int) -> Sequence[Row]:
    end = 0
    while end < len(rows) and size > 0:
        size -= rows[end]["size"]
        end += 1
    return rows[:end]


def _frames(rows: Sequence[Row]) -> list[Frame]:
    decompressor = ZstdDecompressor()  # one may not serve two threads
    return [Frame.FromString(decompressor.decompress(row["data"])) for row in rows]


def _key(frame: Frame) -> tuple[str, int, int]:
    return (frame.ref.name, *place(frame))


def _row(frame: Frame) -> tuple[object, ...]:
    data = ZstdCompressor(level=1).compress(frame.SerializeToString())
    return (*_key(frame), bool(frame.log), data)


_GAPS = (
    "create table if not exists session_frames.gap "
    "(name text primary key, attempt int, number bigint, dropped bigint)"
)
_ALONE = "select pg_advisory_xact_lock(hashtext('session_frames.gap'), hashtext($1))"
_GAP = "select attempt, number, dropped from session_frames.gap where name = $1"
_REMEMBER = (
    "insert into session_frames.gap values ($1, $2, $3, $4) "
    "on conflict (name) do update set dropped = excluded.dropped"
)
_OF_ONE = "from session_frames.frame where name = $1 and has_log"
_STORED = f"select coalesce(sum(octet_length(data)), 0)::bigint {_OF_ONE}"
_SIZES = f"select attempt, number, octet_length(data) as size {_OF_ONE} order by attempt, number"
_DATA = (
    f"select data {_OF_ONE} and (attempt, number) between ($2, $3) and ($4, $5) "
    "order by attempt, number"
)
_UPDATE = (
    "update session_frames.frame set has_log = $4, data = $5 "
    "where name = $1 and attempt = $2 and number = $3"
)
_DELETE = "delete from session_frames.frame where name = $1 and attempt = $2 and number = $3"
