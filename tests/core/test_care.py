"""What an admin asks: is the log what was written, and is a view what follows from it."""

import asyncio

from nsml_core.log import Log
from nsml_core.rebuild import rebuild
from nsml_core.settings import Settings
from nsml_core.verify import Verification
from nsml_core.views import View
from nsml_protos.care_pb2 import Finding
from tests.conftest import opened
from tests.core.examples import SCHEMA
from tests.core.test_views import register, rows


async def findings(view: View) -> list[Finding]:
    walk = Verification(view.log, view.pool, "identity", view.position)
    return [finding async for reply in walk.walk() for finding in reply.findings]


async def test_an_untouched_log_has_nothing_to_be_found(the_log: Log, config: Settings) -> None:
    await register(the_log, 20)
    async with opened(config, SCHEMA, the_log) as view:
        walk = Verification(the_log, view.pool, "identity", view.position)
        replies = [reply async for reply in walk.walk()]

        assert replies[-1].entries == 40
        assert await findings(view) == []


async def test_an_altered_copy_is_named(the_log: Log, config: Settings) -> None:
    await register(the_log, 3)
    async with opened(config, SCHEMA, the_log) as view:
        await view.pool.execute(
            "update identity.archive set data = set_byte(data, 9, 255) where sequence = 2"
        )

        (found,) = await findings(view)

        assert (found.sequence, found.what) == (2, "the archive's copy was altered")


async def test_what_the_archive_has_lost_is_named(the_log: Log, config: Settings) -> None:
    await register(the_log, 3)
    async with opened(config, SCHEMA, the_log) as view:
        await view.pool.execute("delete from identity.archive where sequence = 5")

        (found,) = await findings(view)

        assert (found.sequence, found.what) == (5, "the archive has lost its copy")


async def test_what_the_log_has_lost_is_named(the_log: Log, config: Settings) -> None:
    await register(the_log, 3)
    async with opened(config, SCHEMA, the_log) as view:
        await view.pool.execute(
            "insert into identity.archive select 7, subject, hash, data "
            "from identity.archive where sequence = 6"
        )
        await view.pool.execute("update nsml.position set sequence = 7")
        view.position = 7

        (found,) = await findings(view)

        assert (found.sequence, found.what) == (7, "the log has lost it; the archive has it")


async def test_a_view_rebuilt_beside_the_live_one_takes_its_place(
    the_log: Log, config: Settings
) -> None:
    async with opened(config, SCHEMA, the_log) as view:
        following = asyncio.create_task(view.run())
        await register(the_log, 30)
        await view.wait_for(await the_log.last_sequence())
        before = await rows(view)

        reply = await rebuild(view, check=False)
        await register(the_log, 30)
        await view.wait_for(await the_log.last_sequence())

        assert [(table.table, table.rows, table.equal) for table in reply.tables] == [
            ("person", 30, True),
            ("archive", 60, True),
        ]
        assert (await rows(view))[30:90] == before[30:]
        assert len(await rows(view)) == 30 + 120
        following.cancel()


async def test_a_check_finds_a_row_that_does_not_follow_from_the_log(
    the_log: Log, config: Settings
) -> None:
    await register(the_log, 30)
    async with opened(config, SCHEMA, the_log) as view:
        await view.pool.execute("update identity.person set admin = false where key = 'u7'")

        reply = await rebuild(view, check=True)

        assert [(table.table, table.equal) for table in reply.tables] == [
            ("person", False),
            ("archive", True),
        ]
        assert (
            await view.pool.fetchval("select admin from identity.person where key = 'u7'") is False
        )
        assert await view.pool.fetchval("select count(*) from nsml.position") == 1
