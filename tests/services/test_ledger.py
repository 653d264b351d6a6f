"""Credits as people see them, and what the ledger does when sessions end."""

import asyncio

import grpc
import pytest

from nsml_protos import session_pb2 as pb
from nsml_protos.identity_pb2 import WhoAmIRequest
from nsml_protos.ledger_pb2 import (
    AffordRequest,
    BalanceRequest,
    Book,
    CancelHoldRequest,
    GrantRequest,
    StatementLine,
    StatementRequest,
)
from tests.services.link import Link
from tests.services.world import ANN, BOB, ROOT, SCHEDULER, World, eventually, hold, refused

Code = grpc.StatusCode
OPENING = 100 * 60_000


async def balance(world: World) -> Book:
    book: Book = await world.ledger().Balance(BalanceRequest())
    return book


async def statement(world: World) -> list[StatementLine]:
    await world.floors["ledger"].view.see_all()
    return list((await world.ledger().Statement(StatementRequest())).lines)


async def settled(world: World) -> Book:
    """The book, once nothing is set aside any more."""

    async def nothing_is_held() -> Book | None:
        book = await balance(world)
        return None if book.holds else book

    return await eventually(nothing_is_held)


async def test_a_book_opens_with_its_first_credit_once(world: World) -> None:
    books = await asyncio.gather(*(balance(world) for _ in range(20)))

    assert {(book.owner, book.available) for book in books} == {("ann", OPENING)}
    assert [line.reason for line in await statement(world)] == ["opening credit"]


async def test_a_book_is_its_owners_and_an_admins_to_read(world: World) -> None:
    ask, tell = BalanceRequest(owner="ann"), StatementRequest(owner="ann")
    for call in (world.ledger(BOB).Balance(ask), world.ledger(BOB).Statement(tell)):
        async with refused(Code.PERMISSION_DENIED, "theirs to read"):
            await call

    for call in (world.ledger(ROOT).Balance(ask), world.ledger(ROOT).Statement(tell)):
        async with refused(Code.NOT_FOUND, "no book of ann yet"):
            await call  # and looking does not make one
    await balance(world)
    assert (await world.ledger(ROOT).Balance(ask)).owner == "ann"
    assert (await world.ledger(SCHEDULER).Balance(ask)).owner == "ann"


async def test_only_an_admin_grants_and_a_key_grants_once(world: World) -> None:
    request = GrantRequest(owner="ann", amount=60, reason="thanks", key="k")
    async with refused(Code.PERMISSION_DENIED, "Only an admin"):
        await world.ledger(ANN).Grant(request)

    await asyncio.gather(*(world.ledger(ROOT).Grant(request) for _ in range(5)))

    assert (await balance(world)).available == OPENING + 60


@pytest.mark.parametrize("owner", ["a b", "a.b", "*", ">", "a\nb", "ä"])
async def test_a_book_has_a_plain_name(world: World, owner: str) -> None:
    for call in (
        world.ledger(ROOT).Balance(BalanceRequest(owner=owner)),
        world.ledger(ROOT).Grant(GrantRequest(owner=owner, amount=1)),
        world.ledger(SCHEDULER).PlaceHold(hold("s", owner=owner)),
    ):
        async with refused(Code.INVALID_ARGUMENT, "is not a name"):
            await call


async def test_who_can_afford_what(world: World) -> None:
    ledger = world.ledger(SCHEDULER)

    found = await ledger.Afford(AffordRequest(owner="ann", gpus=2))

    assert (found.enough, found.available, found.rate) == (True, OPENING, 2_000)
    assert (await ledger.Afford(AffordRequest(owner="ann", cpus=4))).rate == 0


async def test_a_hold_is_placed_once_and_cancelled_once(world: World) -> None:
    ledger = world.ledger(SCHEDULER)
    await balance(world)
    replies = await asyncio.gather(*(ledger.PlaceHold(hold("ann/None/1")) for _ in range(10)))
    assert all(reply.enough for reply in replies)
    assert (await balance(world)).held == 600_000

    cancel = CancelHoldRequest(owner="ann", session="ann/None/1", attempt=1)
    await ledger.CancelHold(cancel)
    book = await ledger.CancelHold(cancel)

    assert (book.available, book.held) == (OPENING, 0)


async def test_no_more_is_held_than_there_is(world: World) -> None:
    ledger = world.ledger(SCHEDULER)
    await balance(world)
    holds = [hold(f"ann/None/{number}", gpus=8) for number in range(30)]
    replies = await asyncio.gather(*(ledger.PlaceHold(each) for each in holds))

    book = await balance(world)

    assert sum(reply.enough for reply in replies) == 2  # one whole, and one of what was left
    assert (book.available, book.held) == (0, OPENING)


async def test_a_session_is_charged_for_its_interval(world: World) -> None:
    name = (await world.run()).name
    await world.ledger(SCHEDULER).PlaceHold(hold(name))
    ref = await world.started(name)
    await world.ended(ref)

    book = await settled(world)
    session = await world.sessions().Get(pb.SessionRef(name=name))
    charged = next(line for line in await statement(world) if line.event == "Charged")

    (attempt,) = session.attempts
    ran = (attempt.ended.ToNanoseconds() - attempt.started.ToNanoseconds()) // 1_000_000
    assert (charged.session, charged.attempt) == (name, 1)
    assert (charged.started, charged.ended) == (attempt.started, attempt.ended)
    assert charged.amount == book.spent == ran
    assert book.available == OPENING - ran


async def test_a_statement_adds_up(world: World) -> None:
    for _ in range(3):
        name = (await world.run()).name
        await world.ledger(SCHEDULER).PlaceHold(hold(name))
        await world.ended(await world.started(name))
    book = await settled(world)

    lines = await statement(world)

    assert sum(line.available for line in lines) == book.available
    assert sum(line.amount for line in lines if line.event == "Charged") == book.spent
    newest = (await world.ledger().Statement(StatementRequest(limit=2))).lines
    assert list(newest) == lines[:2]


@pytest.mark.parametrize("away", ["while it waits", "while it runs", "when it ends"])
async def test_a_session_is_charged_though_the_ledger_was_restarted(
    world: World, away: str
) -> None:
    async def restart(when: str) -> None:
        if away == when:
            await world.stop("ledger")
            await world.start("ledger")

    name = (await world.run()).name
    await restart("while it waits")
    await world.ledger(SCHEDULER).PlaceHold(hold(name))
    ref = await world.started(name)
    await restart("while it runs")
    if away == "when it ends":
        await world.stop("ledger")
    await world.ended(ref)
    if away == "when it ends":
        await world.start("ledger")

    await settled(world)

    charged = [line for line in await statement(world) if line.event == "Charged"]
    assert [line.session for line in charged] == [name]


async def test_a_session_stopped_before_it_was_placed_costs_nothing(world: World) -> None:
    name = (await world.run()).name
    await world.ledger(SCHEDULER).PlaceHold(hold(name))
    await world.sessions().Stop(pb.StopRequest(name=name))

    book = await settled(world)

    assert (book.available, book.spent) == (OPENING, 0)


async def test_an_attempt_after_one_that_was_stopped_in_the_queue_is_charged(
    world: World,
) -> None:
    name = (await world.run()).name
    for _ in range(2):
        await world.sessions().Stop(pb.StopRequest(name=name))
        await world.sessions().Resume(pb.ResumeRequest(name=name, from_start=True))
    await world.ledger(SCHEDULER).PlaceHold(hold(name, attempt=3))
    await world.ended(await world.started(name, 3))
    await settled(world)

    charged = [line for line in await statement(world) if line.event == "Charged"]
    assert [(line.session, line.attempt) for line in charged] == [(name, 3)]


async def test_a_resumed_session_is_charged_for_each_attempt(world: World) -> None:
    name = (await world.run()).name
    for attempt in (1, 2):
        await world.ledger(SCHEDULER).PlaceHold(hold(name, attempt=attempt))
        await world.ended(await world.started(name, attempt))
        await settled(world)
        if attempt == 1:
            await world.sessions().Resume(pb.ResumeRequest(name=name, from_start=True))
            await world.stop("ledger")
            await world.start("ledger")

    charged = [line for line in await statement(world) if line.event == "Charged"]
    assert [(line.session, line.attempt) for line in charged] == [(name, 2), (name, 1)]


async def test_a_session_whose_credit_is_used_up_is_stopped_and_charged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NSML_OPENING_CREDIT", "0.001")
    monkeypatch.setenv("NSML_CHARGE_SECONDS", "0.02")
    await world.stop("ledger")
    await world.start("ledger")
    name = (await world.run(resources=pb.Resources(gpus=1))).name
    assert (await world.ledger(SCHEDULER).PlaceHold(hold(name))).enough
    ref = await world.started(name)
    link = Link(world, ref)
    await link.say(1)
    await link.acknowledged(1)

    order = await link.call.read()
    stopped = pb.EndRequest(ref=ref, outcome=pb.Outcome(signal=15), stopped=True)
    await world.attempts(name).End(stopped)
    book = await settled(world)
    session = await world.sessions().Get(pb.SessionRef(name=name))

    assert "NOT_ENOUGH_CREDIT" in order.stop.reason
    assert session.status == pb.STOPPED
    assert (book.available, book.spent) == (0, 60)
    async with refused(Code.RESOURCE_EXHAUSTED, "NOT_ENOUGH_CREDIT"):
        await world.run(resources=pb.Resources(gpus=1))
    assert (await world.run()).status == pb.QUEUED  # cores cost nothing here
    await link.hang_up()


async def test_the_local_user_is_known_and_others_are_not(world: World) -> None:
    assert (await world.identity().WhoAmI(WhoAmIRequest())).admin
    async with refused(Code.NOT_FOUND, "no user bob"):
        await world.identity(BOB).WhoAmI(WhoAmIRequest())
