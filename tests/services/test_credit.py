"""Charges in parts, allowances, warnings and audits, on real servers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from nsml_core.decider import Aggregate
from nsml_core.entry import Context
from nsml_core.store import Store
from nsml_ledger.allowance import set_allowance
from nsml_ledger.state import BOOK
from nsml_protos import ledger_pb2
from nsml_protos import session_pb2 as pb
from nsml_protos.ledger_pb2 import (
    AuditReply,
    AuditRequest,
    BalanceRequest,
    Book,
    GrantRequest,
    SetAllowanceRequest,
    StatementLine,
    StatementRequest,
)
from nsml_session.state import SESSION
from tests.services.world import ANN, ROOT, SCHEDULER, World, eventually, hold, refused

Code = grpc.StatusCode
OPENING = 100 * 60_000


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSML_CHARGE_SECONDS", "0.05")


async def book(world: World, owner: str = "ann") -> Book:
    found: Book = await world.ledger(ROOT).Balance(BalanceRequest(owner=owner))
    return found


async def statement(world: World, event: str = "", **named: Any) -> list[StatementLine]:
    """The lines of Ann's book, oldest first."""
    await world.floors["ledger"].view.see_all()
    request = StatementRequest(**named)
    lines = (await world.ledger().Statement(request)).lines
    return [line for line in reversed(lines) if event in {"", line.event}]


async def parts(world: World, number: int) -> list[StatementLine]:
    """Wait until a session was charged for so many parts."""

    async def enough() -> list[StatementLine] | None:
        found = await statement(world, "Charged")
        return found if len(found) >= number else None

    return await eventually(enough)


async def settled(world: World) -> Book:
    async def nothing_is_held() -> Book | None:
        found = await book(world)
        return None if found.holds else found

    return await eventually(nothing_is_held)


async def restart(world: World) -> None:
    await world.stop("ledger")
    await world.start("ledger")


async def running(world: World) -> pb.AttemptRef:
    """A session with a GPU whose code runs."""
    await world.ledger().Balance(BalanceRequest())
    name = (await world.run(resources=pb.Resources(gpus=1))).name
    await world.ledger(SCHEDULER).PlaceHold(hold(name))
    return await world.started(name)


async def written(world: World, aggregate: Aggregate[Any], key: str, *events: Message) -> None:
    """Put an entry into the log, as its service would at another time."""
    context = Context("e" * 32, datetime.now(UTC), "service:test")
    store: Store[Any] = Store(world.floors["session"].log, aggregate)
    await store.decide(key, context, lambda _: events)


async def audit(world: World) -> AuditReply:
    """All that an audit found, with its last counts."""
    whole = AuditReply()
    async for reply in world.ledger(ROOT).Audit(AuditRequest()):
        found = [*whole.differences, *reply.differences]
        whole = reply
        del whole.differences[:]
        whole.differences.extend(found)
    return whole


def interval_ms(attempt: pb.Attempt) -> int:
    return (attempt.ended.ToNanoseconds() - attempt.started.ToNanoseconds()) // 1_000_000


async def test_a_session_is_charged_in_parts_while_it_runs(world: World) -> None:
    ref = await running(world)
    await parts(world, 2)
    before = await book(world)
    assert 0 < before.spent < before.spent + before.held == 600_000
    await restart(world)
    await parts(world, 4)
    await world.ended(ref)
    after = await settled(world)

    session = await world.sessions().Get(pb.SessionRef(name=ref.name))
    charges = await statement(world, "Charged")
    begins, ends = [one.started for one in charges], [one.ended for one in charges]
    (attempt,) = session.attempts
    assert [attempt.started, *ends[:-1]] == begins
    assert after.spent == interval_ms(attempt)
    assert after.available == OPENING - after.spent
    opening, whole = await statement(world, by_attempt=True)
    assert (opening.reason, whole.event, whole.amount) == ("opening credit", "Charged", after.spent)
    assert (whole.started, whole.ended) == (attempt.started, attempt.ended)
    assert whole.available == -after.spent
    assert [one.actor for one in charges] == ["service:ledger"] * len(charges)
    assert not (await audit(world)).differences


async def test_one_that_was_lost_is_charged_until_it_was_heard_last(world: World) -> None:
    ref = await running(world)
    begin = (await parts(world, 2))[0].started
    heard = Timestamp()
    heard.FromNanoseconds(begin.ToNanoseconds() + 7_000_000)
    await written(world, SESSION, ref.name, pb.Lost(attempt=1, reason="gone", last_seen=heard))

    after = await settled(world)

    (back,) = await statement(world, "Refunded")
    (whole,) = await statement(world, "Charged", by_attempt=True)
    assert (after.spent, after.available) == (7, OPENING - 7)
    assert (back.started, whole.ended, whole.amount) == (heard, heard, 7)
    assert not (await audit(world)).differences


async def test_an_attempt_that_ended_and_was_resumed_unseen_is_charged(world: World) -> None:
    ref = await running(world)
    await parts(world, 1)
    await world.stop("ledger")
    await world.ended(ref)
    session = await world.sessions().Get(pb.SessionRef(name=ref.name))
    again = pb.Resumed(name=ref.name, owner="ann", attempt=1, resources=pb.Resources(gpus=1))
    await written(world, SESSION, ref.name, again)  # who asks for it is refused by no ledger
    await world.start("ledger")

    after = await settled(world)

    assert after.spent == interval_ms(session.attempts[0])
    assert not (await audit(world)).differences


async def test_a_hold_asked_for_too_late_is_not_placed(world: World) -> None:
    ref = await running(world)
    await world.ended(ref)
    before = await settled(world)

    reply = await world.ledger(SCHEDULER).PlaceHold(hold(ref.name))

    assert reply.enough
    assert await book(world) == before


async def test_a_start_that_failed_costs_nothing(world: World) -> None:
    await world.ledger().Balance(BalanceRequest())
    name = (await world.run(resources=pb.Resources(gpus=1))).name
    await world.ledger(SCHEDULER).PlaceHold(hold(name))
    await world.placed(name)
    ref = pb.AttemptRef(name=name, attempt=1)
    outcome = pb.Outcome(message="the environment could not be built")
    await world.attempts(name).End(pb.EndRequest(ref=ref, outcome=outcome))

    after = await settled(world)

    assert (after.available, after.spent) == (OPENING, 0)
    assert [line.event for line in await statement(world)] == ["Granted", "Held", "Released"]
    assert not (await audit(world)).differences


async def test_an_allowance_is_granted_once_for_each_period(world: World) -> None:
    weekly = SetAllowanceRequest(owner="bob", amount=60_000, period=ledger_pb2.WEEK)
    async with refused(Code.PERMISSION_DENIED, "Only an admin"):
        await world.ledger(ANN).SetAllowance(weekly)
    for amount, said in ((-1, "zero credits or more"), (2**62, "at most 1,000,000,000,000")):
        request = SetAllowanceRequest(owner="bob", amount=amount, period=ledger_pb2.DAY)
        async with refused(Code.INVALID_ARGUMENT, said):
            await world.ledger(ROOT).SetAllowance(request)

    for _ in range(2):
        await world.ledger(ROOT).SetAllowance(weekly)
    await restart(world)
    given = await world.ledger(ROOT).SetAllowance(weekly)
    ended = await world.ledger(ROOT).SetAllowance(SetAllowanceRequest(owner="bob"))

    assert (given.available, given.granted) == (60_000, 60_000)
    assert (given.allowance.amount, given.allowance.period) == (60_000, ledger_pb2.WEEK)
    assert ended.allowance.amount == 0


async def test_a_period_that_began_while_the_ledger_was_away_is_granted(world: World) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=40)
    events = set_allowance(Book(), owner="bob", amount=5, period=ledger_pb2.DAY, now=long_ago)
    await written(world, BOOK, "bob", *events)

    await restart(world)

    async def granted() -> Book | None:
        found = await book(world, "bob")
        return found if found.granted > 5 else None

    found = await eventually(granted)
    assert found.granted == 10  # periods that passed unseen are not made up for
    assert found.allowance.granted >= (long_ago + timedelta(days=40)).date().isoformat()


async def test_who_has_little_left_is_told_once(world: World) -> None:
    await world.ledger().Balance(BalanceRequest())
    for number in range(6):  # of 100 credits ten each are held
        await world.ledger(SCHEDULER).PlaceHold(hold(f"ann/None/{number}"))

    (told,) = await statement(world, "LowBalance")
    low = await book(world)
    await world.ledger(ROOT).Grant(GrantRequest(owner="ann", amount=OPENING))

    assert told.reason == "less than 60 credits are left"
    assert (low.available, low.low_below) == (40 * 60_000, 60 * 60_000)
    assert (await book(world)).low_below == 0


async def test_an_audit_names_what_is_wrong_and_waits_for_what_is_being_settled(
    world: World,
) -> None:
    async with refused(Code.PERMISSION_DENIED, "Only an admin"):
        await world.ledger(ANN).Audit(AuditRequest()).read()
    refs = [await running(world) for _ in range(3)]
    await parts(world, 3)
    for ref in refs[:2]:
        await world.ended(ref)

    good = await audit(world)

    assert not good.differences
    assert (good.books, good.attempts, good.holds) == (1, 3, 3)
    assert good.entries > 3 * 3

    await world.ledger(ROOT).Grant(GrantRequest(owner="dora", amount=5))
    await world.floors["ledger"].view.see_all()
    await world.floors["ledger"].view.pool.execute(
        "update ledger.book set state = $1 where key = 'dora'",
        Book(owner="dora", available=6).SerializeToString(),
    )
    moved = ledger_pb2.Released(session=refs[0].name, attempt=1, amount=5)
    await written(world, BOOK, "carl", moved)
    found = {one.name: one.what for one in (await audit(world)).differences}

    assert found["dora"] == "the view's book is not what follows from the log"
    assert found[f"{refs[0].name}#1"].startswith("Released, but no hold was open")
    assert found["carl"] == "its postings are not those of Released of 5"
