"""Owners are told of what they would want to know, once, whatever is restarted meanwhile."""

from collections.abc import AsyncIterator

import pytest

from nsml_core.settings import Settings
from nsml_protos import session_pb2 as pb
from nsml_protos.ledger_pb2 import BalanceRequest, StatementRequest
from tests.receivers import HERE, Hook, Mailbox, box, hook
from tests.services.conftest import opened_world
from tests.services.link import Link
from tests.services.test_zombies import events, idle, lose, used
from tests.services.world import SCHEDULER, World, eventually, hold

__all__ = ["box", "hook"]


@pytest.fixture
async def world(
    config: Settings, monkeypatch: pytest.MonkeyPatch, box: Mailbox, hook: Hook
) -> AsyncIterator[World]:
    """A world that tells its owners."""
    settings = {
        "NSML_ZOMBIE_AFTER": "60",
        "NSML_SMTP_URL": f"smtp://{HERE}:{box.port}",
        "NSML_MAIL_FROM": "nsml@example.org",
        "NSML_MAIL_TO": "{user}@example.org",
        "NSML_WEBHOOK_URL": hook.url,
        "no_proxy": HERE,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    async with opened_world(config, monkeypatch) as found:
        yield found


async def noted(world: World, name: str, number: int) -> list[str]:
    """A session's events, once so many of them note that its owner was told."""

    async def so_many() -> list[str] | None:
        found = await events(world, name)
        return found if found.count("Notified") == number else None

    return await eventually(so_many)


async def test_an_owner_hears_of_a_zombie_once(world: World, box: Mailbox, hook: Hook) -> None:
    ref = await world.started((await world.run(memo="m\nBcc: x@y.z")).name)
    link = Link(world, ref)
    await idle(link, 1, 13)
    await noted(world, ref.name, 2)
    await link.hang_up()
    await world.stop("session")
    await world.start("session")
    again = Link(world, ref)
    await again.tell(used(ref, 14, cores=1.0))
    await idle(again, 15, 27)
    found = await noted(world, ref.name, 4)
    await again.hang_up()

    assert [event for event in found[3:] if event != "Notified"] == [
        "BecameZombie",
        "WokeUp",
        "BecameZombie",
    ]
    assert [mail["Subject"] for _, mail in box.mails] == 2 * [
        f"[NSML] Session {ref.name} does nothing"
    ]
    assert "Its memo: m Bcc: x@y.z" in box.mails[0][1].get_content()
    assert len(hook.posted) == 2


async def test_what_could_not_be_told_is_told_after_a_restart(
    world: World, box: Mailbox, hook: Hook
) -> None:
    hook.answers = [503] * 1000
    ref = await world.started((await world.run()).name)
    await lose(world, ref)
    assert (await noted(world, ref.name, 1))[-2:] == ["Lost", "Notified"]
    await world.stop("session")
    hook.answers = []
    await world.start("session")
    await noted(world, ref.name, 2)

    assert len(box.mails) == 1
    assert f"Session {ref.name} is lost" in str(hook.posted[-1].body)


async def test_nobody_is_told_what_they_know(world: World, box: Mailbox, hook: Hook) -> None:
    stopped = await world.started((await world.run()).name)
    await world.sessions().Stop(pb.StopRequest(name=stopped.name))
    outcome = pb.Outcome(signal=15)
    end = pb.EndRequest(ref=stopped, outcome=outcome, stopped=True)
    await world.attempts(stopped.name).End(end)
    failed = await world.started((await world.run()).name)
    await world.ended(failed, exit_code=1)
    lost = await world.started((await world.run(restarts=1)).name)
    await lose(world, lost)
    await noted(world, lost.name, 2)

    assert [mail["Subject"] for _, mail in box.mails] == [
        f"[NSML] Session {lost.name} was lost and goes on"
    ]
    assert len(hook.posted) == 1


async def test_an_owner_hears_that_little_credit_is_left(
    world: World, box: Mailbox, hook: Hook
) -> None:
    await world.ledger().Balance(BalanceRequest())
    await world.ledger(SCHEDULER).PlaceHold(hold("ann/None/1", gpus=8))
    pool = world.floors["ledger"].pool

    async def both_noted() -> bool:
        noted = "select count(*) from ledger.news where about = 'LowBalance' and channel <> ''"
        return bool(await pool.fetchval(noted) == 2)

    await eventually(both_noted)
    assert [mail["Subject"] for _, mail in box.mails] == ["[NSML] ann has little credit left"]
    assert "20.00 credits of ann are left, less than 60." in box.mails[0][1].get_content()
    assert b'"available_gpu_ms": 1200000' in hook.posted[0].body
    lines = (await world.ledger().Statement(StatementRequest())).lines
    assert [line.event for line in lines] == ["LowBalance", "Held", "Granted"]
