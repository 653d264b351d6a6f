"""The points of sessions in tables: as frames brought them, then folded into chunks.

A point is in one of the two, never in both: to fold is to delete the one and write the other in one
transaction. What a frame brought stays as it came until it is worth a chunk.
"""

import asyncio
import logging
import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from nsml_core.database import AWAY, Pool
from nsml_protos.session_pb2 import Frame
from nsml_session import points_sql as sql
from nsml_session.pieces import (
    Told,
    chunk_of,
    chunk_rows,
    in_order,
    is_parted,
    kept_rows,
    loose_of,
    stripped_rows,
)

_ROWS_MAX = 500
_POINTS_MAX = 300_000
_POINTS_PER_SERIES = 5_000
"""So much of a session waits to be folded: each query reads it whole."""

_AGAIN_SECONDS = 1.0
_log = logging.getLogger("nsml.points")


@dataclass(slots=True)
class _Waiting:
    """What waits to be folded of one session."""

    rows: int = 0
    points: int = 0
    series: set[str] = field(default_factory=set)

    @property
    def is_due(self) -> bool:
        enough = min(_POINTS_PER_SERIES * len(self.series), _POINTS_MAX)
        return self.rows >= _ROWS_MAX or self.points >= enough


class PointTables:
    """Keeps points, folds them, and reads them again."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._waiting: defaultdict[str, _Waiting] = defaultdict(_Waiting)
        self._due: asyncio.Queue[str] = asyncio.Queue()
        self._old: set[str] = set()
        """Sessions whose frames still hold points, as those of version 0.2 do."""

        self._is_apart = True

    async def open(self, connection: Any) -> None:
        """Make the tables if they are not there, and see what has been waiting."""
        for statement in sql.DDL:
            await connection.execute(statement)
        self._is_apart = await connection.fetchval(sql.IS_APART)
        if not self._is_apart:
            self._old = {row["name"] for row in await connection.fetch(sql.OLD_NAMES)}
        waiting = {row["name"] for row in await connection.fetch(sql.WAITING_NAMES)}
        for name in sorted(waiting | self._old):
            self._due.put_nowait(name)

    async def keep(self, connection: Any, frames: Iterable[Frame]) -> None:
        """Keep the points of new frames, in the transaction that keeps their other words."""
        told = [frame for frame in frames if frame.points.values]
        if told:
            rows = await asyncio.to_thread(kept_rows, told)
            await connection.executemany(sql.KEEP, rows)

    def kept(self, frames: Iterable[Frame]) -> None:
        """Note what has been committed; what is enough is folded soon."""
        for frame in frames:
            if not frame.points.values:
                continue
            waiting = self._waiting[frame.ref.name]
            waiting.rows += 1
            waiting.points += len(frame.points.values)
            waiting.series.update(frame.points.series)
            if waiting.is_due:
                self.fold_soon(frame.ref.name)

    def fold_soon(self, name: str) -> None:
        """Have a session's points folded, as when it has ended."""
        if self._waiting.pop(name, None):
            self._due.put_nowait(name)

    async def run(self) -> None:
        """Fold what is due, for ever."""
        while True:
            try:
                if not self._is_apart and not self._old:
                    await self.pool.execute(sql.NOW_APART)
                    self._is_apart = True
                name = await self._due.get()
            except AWAY:
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            try:
                await self.fold(name)
            except AWAY as error:
                _log.warning("PostgreSQL is away: %s", error)
                self._due.put_nowait(name)
                await asyncio.sleep(_AGAIN_SECONDS)

    async def fold(self, name: str) -> None:
        """Make chunks of what waits of a session."""
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(sql.ALONE, name)  # replicas may fold the same
            loose = await self._taken(connection, name)
            ids = await _numbered(connection, name, loose)
            open_ = await _open_chunks(connection, name, loose)
            chunks = await asyncio.to_thread(chunk_rows, name, ids, open_, loose)
            await connection.executemany(sql.SEAL, chunks)
        self._old.discard(name)

    async def _taken(self, connection: Any, name: str) -> Told:
        """Take off the tables what waits of a session."""
        rows = list(await connection.fetch(sql.TAKE, name))
        old = await connection.fetch(sql.OLD, name) if name in self._old else []
        if old:
            await connection.executemany(sql.STRIP, await asyncio.to_thread(stripped_rows, old))
        return await asyncio.to_thread(loose_of, in_order(old), in_order(rows))

    async def read(
        self, connection: Any, name: str, wanted: Callable[[str], object], *, data: bool
    ) -> Told:
        """Return what a session told of some series, in the caller's transaction.

        Without data, chunks have their summaries only.
        """
        known = await connection.fetch(sql.SERIES, name)
        names = {row["id"]: row["series"].decode() for row in known}
        ids = [id_ for id_, series in names.items() if wanted(series)]
        chunks = await connection.fetch(sql.CHUNKS_WITH_DATA if data else sql.CHUNKS, name, ids)
        old = await connection.fetch(sql.OLD, name) if name in self._old else []
        rows = await connection.fetch(sql.LOOSE, name)
        loose = await asyncio.to_thread(loose_of, old, rows)
        told: Told = {names[id_]: {} for id_ in ids}
        for row in chunks:
            told[names[row["series"]]].setdefault(row["attempt"], []).append(chunk_of(row))
        for series, attempts in loose.items():
            if wanted(series):
                for attempt, pieces in attempts.items():
                    told.setdefault(series, {}).setdefault(attempt, []).extend(pieces)
        return told

    async def read_parted(self, connection: Any, name: str, told: Told) -> None:
        """Read those chunks of which a later attempt takes over a part."""
        for series, attempts in told.items():
            taken_over = math.inf
            for attempt in sorted(attempts, reverse=True):
                mine = attempts[attempt]
                parted = any(is_parted(piece, taken_over) and not piece.is_read for piece in mine)
                if parted:
                    rows = await connection.fetch(sql.ONE, name, series.encode(), attempt)
                    loose = [piece for piece in mine if piece.is_read]
                    attempts[attempt] = [*map(chunk_of, rows), *loose]
                taken_over = min([taken_over, *(piece.bucket.first_step for piece in mine)])

    async def forget(self, connection: Any, name: str) -> None:
        """Delete what a removed session told: first what waits, so that no fold comes between."""
        self._waiting.pop(name, None)
        self._old.discard(name)
        for table in ("points", "chunk", "series"):
            await connection.execute(f"delete from session_frames.{table} where name = $1", name)


async def _numbered(connection: Any, name: str, series: Iterable[str]) -> dict[str, int]:
    """Return the numbers of some series of a session; those that are new get the next ones."""
    known = await connection.fetch(sql.SERIES, name)
    ids = {row["series"].decode(): row["id"] for row in known}
    new = {each: len(ids) + at for at, each in enumerate(sorted(set(series) - ids.keys()), 1)}
    await connection.executemany(
        sql.NUMBER, [(name, each.encode(), number) for each, number in new.items()]
    )
    return ids | new


async def _open_chunks(connection: Any, name: str, loose: Told) -> dict[tuple[int, int], Any]:
    attempts = sorted({attempt for attempts in loose.values() for attempt in attempts})
    rows = await connection.fetch(sql.NEWEST_CHUNKS, name, attempts)
    return {(row["series"], row["attempt"]): row for row in rows}
