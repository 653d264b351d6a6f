"""Histograms, images, texts and tables of sessions, in a table of their own."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

from nsml_core.database import Pool
from nsml_protos.session_pb2 import Frame, Record, RecordsRequest
from nsml_session.patterns import pattern
from nsml_session.slots import place


class RecordTable:
    """Keeps records, and reads them again."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def open(self, connection: Any) -> None:
        """Make the table if it is not there."""
        for statement in (_TABLE, _EXTERNAL):
            await connection.execute(statement)

    async def keep(self, connection: Any, frames: Iterable[Frame]) -> None:
        """Keep the records of new frames, in the transaction that keeps their other words."""
        rows = [_row(frame, at, record) for frame in frames for at, record in _records(frame)]
        await connection.executemany(_KEEP, rows)

    async def read(self, request: RecordsRequest) -> AsyncIterator[Record]:
        """Yield the records that are asked for, by name, each name's in order."""
        rows = await self._pool.fetch(_LIST, request.name, int(request.kind))
        wanted = pattern(request.records)
        found: dict[str, list[Any]] = {}
        for row in rows:
            name = row["record"].decode()
            if wanted.fullmatch(name):
                found.setdefault(name, []).append(row)
        for name in sorted(found):
            for row in found[name][-request.newest :]:
                record = _record(name, row)
                if request.with_data:
                    key = (row["attempt"], row["number"], row["place"])
                    record.data = await self._pool.fetchval(_DATA, request.name, *key) or b""
                yield record

    async def forget(self, connection: Any, name: str) -> None:
        """Delete those of a removed session."""
        await connection.execute("delete from session_frames.record where name = $1", name)


def _records(frame: Frame) -> Iterable[tuple[int, Record]]:
    return enumerate(frame.records)


def _row(frame: Frame, at: int, record: Record) -> tuple[object, ...]:
    return (
        *(frame.ref.name, *place(frame), at),
        int(record.kind),
        record.name.encode(),
        record.step if record.HasField("step") else None,
        record.time_us,
        record.media_type.encode(),
        len(record.data),
        record.data,
    )


def _record(name: str, row: Any) -> Record:
    return Record(
        kind=row["kind"],
        name=name,
        step=row["step"],
        time_us=row["time_us"],
        media_type=row["media_type"].decode(),
        bytes=row["bytes"],
        attempt=row["attempt"],
    )


_TABLE = (
    "create table if not exists session_frames.record ("
    "name text, attempt int, number bigint, place int, kind int, record bytea, "
    "step double precision, time_us bigint, media_type bytea, bytes bigint, data bytea, "
    "primary key (name, attempt, number, place))"
)
# Images are compressed already.
_EXTERNAL = "alter table session_frames.record alter column data set storage external"
_KEEP = "insert into session_frames.record values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
_LIST = (
    "select attempt, number, place, kind, record, step, time_us, media_type, bytes "
    "from session_frames.record where name = $1 and ($2 = 0 or kind = $2) "
    "order by attempt, number, place"
)
_DATA = (
    "select data from session_frames.record "
    "where name = $1 and attempt = $2 and number = $3 and place = $4"
)
