"""Who leads among replicas, and until when."""

import asyncio

import pytest

from nsml_core.errors import Superseded
from nsml_core.sole import Ended, Lease


async def test_the_next_leads_when_one_lets_go(database_url: str) -> None:
    first, second = (Lease("test", database_url, 5.0) for _ in range(2))
    await first.wait()
    waiting = asyncio.create_task(second.wait())
    first.check()
    await first.close()
    await waiting

    second.check()
    with pytest.raises(Superseded, match="leads no more"):
        first.check()
    await second.close()


async def test_who_says_nothing_is_succeeded_and_knows_it_before(database_url: str) -> None:
    silent, second = (Lease("test", database_url, 1.0) for _ in range(2))
    await silent.wait()
    await second.wait()

    assert second.is_held
    assert not silent.is_held
    with pytest.raises(Ended):
        await silent.keep()
    await silent.close()
    await second.close()


async def test_who_speaks_in_time_keeps_it(database_url: str) -> None:
    lease = Lease("test", database_url, 5.0)
    await lease.wait()
    keeping = asyncio.create_task(lease.keep())
    until = lease._until
    while lease._until == until:
        await asyncio.sleep(0.1)

    lease.check()
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert not lease.is_held
    await lease.close()
