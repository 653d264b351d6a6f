"""A view folded anew beside the live one, compared by hash, and put in its place if asked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from nsml_core.errors import Refused
from nsml_core.views import View
from nsml_protos.care_pb2 import RebuildViewReply, TableComparison

_NEAR = 100
"""So few entries are folded in a moment."""


async def rebuild(live: View, *, check: bool) -> RebuildViewReply:
    """Fold the log anew and compare; with `check`, the live view stays as it is.

    The live view goes on meanwhile, but for the moments in which both come to stand at one entry.
    """
    again = View(live.pool, live.schema, live.log, name=f"{live.schema.service}_again")
    await again.drop()
    reply = RebuildViewReply()
    async with live.pool.acquire() as connection:
        async with connection.transaction(isolation="repeatable_read"):
            async with _level(again, live):
                reply.position = live.position
                await connection.execute("select from nsml.position")  # what follows sees this
            for table in live.tables:
                reply.tables.append(await _compare(connection, live.name, again.name, table))
        await live.log.check_whole(live.position)
        async with _level(again, live), connection.transaction():
            if check:
                await again.forget(connection)
            else:
                if not all(table.equal for table in reply.tables):
                    await _refuse_to_lose_copies(connection, live, again)
                await again.take_place_of(live, connection)
    return reply


@asynccontextmanager
async def _level(again: View, live: View) -> AsyncIterator[None]:
    """Hold the live view, for as long as the block runs, at the entry that the other stands at."""
    while live.position - again.position > _NEAR:
        await again.fold_to(live.position)
    async with live.held():
        await again.fold_to(live.position)
        yield


async def _refuse_to_lose_copies(connection: Any, live: View, again: View) -> None:
    """Keep an archive that may be all that is left of what the log has lost."""
    lost = await connection.fetchval(
        f"select count(*) from {live.name}.archive mine where not exists "
        f"(select from {again.name}.archive other where other.sequence = mine.sequence)"
    )
    if lost:
        raise Refused(
            f"The archive of {live.name} holds {lost} entries that the log has lost: `nsml down`, "
            "and then `nsml admin log restore` brings them back."
        )


async def _compare(connection: Any, live: str, again: str, table: str) -> TableComparison:
    rows, content = await _measure(connection, live, table)
    rows_again, content_again = await _measure(connection, again, table)
    equal = (rows, content) == (rows_again, content_again)
    return TableComparison(table=table, rows=rows, rows_again=rows_again, equal=equal)


async def _measure(connection: Any, schema: str, table: str) -> tuple[int, int]:
    """Return how many rows a table has, and a sum of their hashes, whatever their order."""
    row = await connection.fetchrow(
        "select count(*) as rows, coalesce(sum(hash_record_extended(t, 0)), 0) as content "
        f"from {schema}.{table} t"
    )
    return row["rows"], int(row["content"])
