"""The archives of all services, read as the one log that they are copies of."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nsml_core.entry import Record, digest

_READ_AT_ONCE = 2000

# A view that is being folded beside the live one has the live one's name and `_again`.
_VIEWS = (
    "select view, sequence from nsml.position "
    "where to_regclass(view || '.archive') is not null and view not like '%\\_again'"
)


@dataclass(frozen=True, slots=True)
class Copy:
    """An archived entry, and the hash that was stored beside it."""

    record: Record
    hash: bytes

    @property
    def is_as_written(self) -> bool:
        """Whether neither of the two was altered since."""
        return digest(self.record.data) == self.hash


async def positions(connection: Any) -> dict[str, int]:
    """Return how far each view that has an archive has seen the log."""
    if await connection.fetchval("select to_regclass('nsml.position')") is None:
        return {}
    return {row["view"]: row["sequence"] for row in await connection.fetch(_VIEWS)}


async def copies(connection: Any, views: Collection[str]) -> AsyncIterator[Copy]:
    """Yield the copies that these views hold, in the order of the log."""
    if not views:
        return
    columns = "select sequence, subject, hash, data from"
    query = " union all ".join(f"{columns} {view}.archive" for view in sorted(views))
    async with connection.transaction(readonly=True):
        cursor = await connection.cursor(f"{query} order by sequence")
        while rows := await cursor.fetch(_READ_AT_ONCE):
            for sequence, subject, stored, data in rows:
                yield Copy(Record(sequence, subject, data), stored)


async def newest(connection: Any, views: Iterable[str]) -> Mapping[str, int]:
    """Return the newest entry that the archive of each view holds; 0 where it holds none."""
    return {
        view: await connection.fetchval(f"select coalesce(max(sequence), 0) from {view}.archive")
        for view in views
    }


async def fold_anew(connection: Any, views: Collection[str]) -> None:
    """Let these services fold their views from the first entry on when they start next."""
    await connection.execute("delete from nsml.position where view = any($1::text[])", list(views))
