"""Whether the log still holds what was seen of it: asked at a start, and again and again."""

import asyncio
import contextlib
from collections.abc import Callable

from nsml_core.database import Pool
from nsml_core.entry import digest
from nsml_core.errors import Damaged, Unavailable
from nsml_core.log import Log

_PAUSE_SECONDS = 5.0


async def check_newest(log: Log, pool: Pool, view: str) -> None:
    """Refuse a log whose end was lost and that has grown to the same length since."""
    row = await pool.fetchrow(
        f"select sequence, hash from {view}.archive order by sequence desc limit 1"  # noqa: S608 - our own name
    )
    if row is None:
        return
    entry = await log.at(row["sequence"])
    if entry is None or digest(entry.data) != row["hash"]:
        raise Damaged(
            f"Entry {row['sequence']} of the log is not the one that was archived: `nsml down`, "
            "and then `nsml admin log restore` makes it whole."
        )


async def watch(log: Log, position: Callable[[], int]) -> None:
    """Run until the log turns out to have lost an entry up to the position; that is an error."""
    while True:
        await asyncio.sleep(_PAUSE_SECONDS)
        with contextlib.suppress(Unavailable):  # whoever needs the server hears of it there
            await log.check_whole(position())
