"""What the leader of a service owes when it begins is done, whatever falls meanwhile."""

import asyncio

from nsml_core.lead import Lead
from nsml_core.log import Log
from nsml_core.settings import Settings
from tests.conftest import opened
from tests.core.examples import SCHEMA


async def test_what_is_owed_is_begun_anew_where_the_database_fell(
    the_log: Log, config: Settings
) -> None:
    begun: list[int] = []
    done = asyncio.Event()
    async with opened(config, SCHEMA, the_log) as view:

        async def pay(told: int) -> None:
            begun.append(told)
            if len(begun) == 1:
                await view.pool.execute("select pg_terminate_backend(pg_backend_pid())")
            done.set()

        lead = Lead(view, None)
        lead.owes(pay)
        leading = asyncio.create_task(lead.run())
        await asyncio.wait(
            {leading, asyncio.create_task(done.wait())}, return_when="FIRST_COMPLETED"
        )
        assert done.is_set()
        leading.cancel()

    assert begun == [0, 0]
