"""Views: rows and position move together, and a view folded anew is the same view."""

import asyncio

from nsml_core.log import Log
from nsml_core.settings import Settings
from nsml_core.store import Store
from nsml_core.views import View
from nsml_protos.identity_pb2 import Registered
from tests.conftest import opened
from tests.core.examples import PEOPLE, SCHEMA, TABLE, context, registers


async def rows(view: View) -> list[tuple[object, ...]]:
    found = await view.pool.fetch("select * from identity.person order by key")
    kept = await view.pool.fetch("select * from identity.archive order by sequence")
    return [tuple(row) for row in (*found, *kept)]


async def register(the_log: Log, people: int) -> None:
    store = Store(the_log, PEOPLE)
    names = [f"u{number}" for number in range(people)]
    for admin in (False, True):
        decisions = (store.decide(name, context(), registers(name, admin=admin)) for name in names)
        await asyncio.gather(*decisions)


async def test_a_rebuilt_view_equals_the_live_one(the_log: Log, config: Settings) -> None:
    async with opened(config, SCHEMA, the_log) as view:
        following = asyncio.create_task(view.run())
        await register(the_log, 50)
        await view.wait_for(await the_log.last_sequence())
        following.cancel()
        live = await rows(view)

        await view.drop()
        assert await rows(view) == []
        await view.catch_up()

        assert len(live) == 50 + 100
        assert await rows(view) == live


async def test_a_view_goes_on_where_it_stopped(the_log: Log, config: Settings) -> None:
    await register(the_log, 3)
    async with opened(config, SCHEMA, the_log) as view:
        before = view.position
    await register(the_log, 3)

    async with opened(config, SCHEMA, the_log) as view:
        assert (before, view.position) == (6, 12)
        assert len(await rows(view)) == 3 + 12


async def test_a_store_starts_from_the_view_and_reads_only_what_is_newer(
    the_log: Log, config: Settings
) -> None:
    await register(the_log, 1)
    async with opened(config, SCHEMA, the_log) as view:
        await Store(the_log, PEOPLE).decide("u0", context(), lambda _: [Registered(name="newer")])

        store = Store(the_log, PEOPLE, view.snapshots(TABLE))

        assert (await store.get("u0")).name == "newer"


async def test_a_second_keeper_of_the_same_view_is_stopped(the_log: Log, config: Settings) -> None:
    async with opened(config, SCHEMA, the_log) as view, opened(config, SCHEMA, the_log) as other:
        tasks = [asyncio.create_task(each.run()) for each in (view, other)]
        await register(the_log, 20)
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)

        assert "Another process keeps the view" in str(done.pop().exception())
        for task in tasks:
            task.cancel()
