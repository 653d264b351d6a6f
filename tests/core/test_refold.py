"""A view's first fold: whole or not at all, and the same whatever is in memory or in rows."""

import asyncio

import asyncpg
import pytest
from google.protobuf.any_pb2 import Any

from nsml_core import refold
from nsml_core.committer import Append
from nsml_core.database import connect_pool
from nsml_core.errors import Damaged
from nsml_core.log import Log
from nsml_core.rebuild import rebuild
from nsml_core.settings import Settings
from nsml_core.views import View
from nsml_protos.log_pb2 import Entry
from tests.conftest import opened
from tests.core.examples import SCHEMA
from tests.core.test_views import register, rows


async def test_states_that_are_not_at_hand_any_more_are_taken_up_again(
    the_log: Log, config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refold, "_HOT", 2)
    monkeypatch.setattr(refold, "_ROWS", 3)
    async with opened(config, SCHEMA, the_log) as view:
        following = asyncio.create_task(view.run())
        await register(the_log, 30)
        await view.wait_for(await the_log.last_sequence())
        following.cancel()
        live = await rows(view)

        await view.drop()
        await view.catch_up()

        assert len(live) == 30 + 60
        assert await rows(view) == live


async def test_a_first_fold_that_fails_has_done_nothing(the_log: Log, config: Settings) -> None:
    await register(the_log, 3)
    unknown = Entry(events=[Any(type_url="/nsml.FromTheFuture")]).SerializeToString()
    await the_log.append(Append("nsml.identity.u9", unknown, 0, "id"))
    async with connect_pool(config) as pool:
        view = View(pool, SCHEMA, the_log)
        await view.open()

        with pytest.raises(Damaged, match="does not know: upgrade"):
            await view.catch_up()

        assert view.position == 0
        assert await pool.fetchval("select sequence from nsml.position") == 0
        assert await rows(view) == []


async def test_a_first_fold_convicts_an_entry_that_follows_another(
    the_log: Log, config: Settings
) -> None:
    await register(the_log, 2)
    forged = Entry(previous=b"another").SerializeToString()
    last = await the_log.last("nsml.identity.u1")
    assert last is not None
    await the_log.append(Append("nsml.identity.u1", forged, last.sequence, "id"))
    async with connect_pool(config) as pool:
        view = View(pool, SCHEMA, the_log)
        await view.open()

        with pytest.raises(Damaged, match="is broken at sequence"):
            await view.catch_up()

        assert view.position == 0


async def test_a_view_that_somebody_else_has_folded_is_not_folded_over(
    the_log: Log, config: Settings
) -> None:
    async with opened(config, SCHEMA, the_log) as view, opened(config, SCHEMA, the_log) as other:
        await register(the_log, 3)
        await view.catch_up()
        before = await rows(view)

        with pytest.raises(Exception, match="Another process keeps the view"):
            await other.catch_up()

        assert await rows(view) == before


async def test_what_is_written_during_a_rebuild_is_in_both_views(
    the_log: Log, config: Settings
) -> None:
    async with opened(config, SCHEMA, the_log) as view:
        following = asyncio.create_task(view.run())
        await register(the_log, 30)
        await view.wait_for(await the_log.last_sequence())

        writing = asyncio.create_task(register(the_log, 200))
        reply = await rebuild(view, check=False)
        await writing
        await view.wait_for(await the_log.last_sequence())
        following.cancel()

        assert all(table.equal for table in reply.tables)
        assert len(await rows(view)) == 200 + 60 + 400
        assert all(table.equal for table in (await rebuild(view, check=True)).tables)


async def test_a_rebuilt_table_has_the_keys_and_indexes_of_a_new_one(
    the_log: Log, config: Settings
) -> None:
    async def indexes(connection: "asyncpg.Pool[asyncpg.Record]") -> list[str]:
        query = "select indexdef from pg_indexes where schemaname = 'identity' order by indexdef"
        return [row["indexdef"] for row in await connection.fetch(query)]

    async with opened(config, SCHEMA, the_log) as view:
        new = await indexes(view.pool)
        await register(the_log, 3)
        await view.catch_up()
        await rebuild(view, check=False)

        assert new == await indexes(view.pool)
        assert len(new) == 3
