"""The servers under the services are restarted: nothing is lost, and the services go on."""

import asyncio
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import psutil
import pytest

from nsml_local import home, servers
from nsml_protos import session_pb2 as pb
from nsml_protos import session_pb2_grpc
from nsml_protos.ledger_pb2 import BalanceRequest, StatementRequest
from tests.services.link import Link, lines, output
from tests.services.world import ANN, SCHEDULER, World, eventually, hold

Code = grpc.StatusCode


class Restartable:
    """One of the servers, which can be ended without notice and started again as it was."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._life = ExitStack()

    def start(self) -> None:
        raise NotImplementedError

    def pid(self) -> int:
        raise NotImplementedError

    how = signal.SIGKILL

    def fall(self) -> None:
        """End it without notice; return when it is gone."""
        process = psutil.Process(self.pid())
        os.kill(process.pid, self.how)
        self._life.close()  # reaps it

    def close(self) -> None:
        self._life.close()


class Nats(Restartable):
    """The log's server."""

    def start(self) -> None:
        self._life.enter_context(servers.nats_server(self.folder))

    def pid(self) -> int:
        config = str(self.folder / "run" / "nats.json")
        found = [
            p.pid for p in psutil.process_iter(["cmdline"]) if config in (p.info["cmdline"] or ())
        ]
        return int(found[0])


class Postgres(Restartable):
    """The views' database; its parent process is told to drop everything at once."""

    how = signal.SIGQUIT
    url = ""

    def start(self) -> None:
        self.url = self._life.enter_context(servers.postgres(self.folder))

    def pid(self) -> int:
        return int((self.folder / "postgres" / "postmaster.pid").read_text().split()[0])


@pytest.fixture
def nats_server(short_path: Path) -> Iterator[Nats]:
    server = Nats(short_path)
    server.start()
    yield server
    server.close()


@pytest.fixture
def nats(nats_server: Nats) -> home.Home:
    """In place of a NATS that cannot be restarted."""
    found = home.find(nats_server.folder)
    assert found is not None
    return found


@pytest.fixture
def postgres_server() -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(prefix="nsml-") as folder:
        server = Postgres(Path(folder))
        server.start()
        yield server
        server.close()


@pytest.fixture
def database_url(postgres_server: Postgres) -> str:
    """In place of a database on the server that all tests share."""
    return postgres_server.url


async def listed(world: World) -> list[str]:
    await world.floors["session"].view.see_all()
    reply = await world.sessions().List(pb.ListSessionsRequest(all=True))
    return sorted(row.session.name for row in reply.sessions)


async def test_what_the_log_acknowledged_outlives_its_server(
    world: World, nats_server: Nats
) -> None:
    acknowledged = [session.name for session in await asyncio.gather(*map(run, [world] * 20))]
    nats_server.fall()
    waiting = asyncio.create_task(world.run())
    await asyncio.to_thread(nats_server.start)
    acknowledged.append((await waiting).name)
    acknowledged.append((await world.run()).name)

    assert await listed(world) == sorted(acknowledged)
    assert len(set(acknowledged)) == 22


async def run(world: World) -> pb.Session:
    return await world.run()


async def test_a_session_lives_through_a_restart_of_the_log(
    world: World, nats_server: Nats
) -> None:
    name = (await world.run()).name
    await world.ledger(SCHEDULER).PlaceHold(hold(name))
    ref = await world.started(name)
    link = Link(world, ref)
    await link.say(1, 2)
    nats_server.fall()
    await link.say(3)  # what it says does not need the log
    await link.acknowledged(3)
    await asyncio.to_thread(nats_server.start)
    await link.hang_up()
    await world.ended(ref)

    async def is_charged() -> bool:
        book = await world.ledger().Balance(BalanceRequest())
        return bool(book.spent) and not book.holds

    await eventually(is_charged)
    assert await output(world, name) == lines(1, 2, 3)


async def test_services_outlast_a_restart_of_the_database(
    world: World, postgres_server: Postgres
) -> None:
    before = (await world.run()).name
    ref = await world.started(before)
    link = Link(world, ref)
    await link.say(1)
    await link.acknowledged(1)
    postgres_server.fall()
    during = (await world.run()).name  # the log alone decides
    await link.say(2)
    telling = asyncio.create_task(link.acknowledged(2))
    await asyncio.to_thread(postgres_server.start)
    await telling
    after = (await world.run()).name
    await link.hang_up()
    await world.ended(ref)

    assert await listed(world) == [before, during, after]
    assert await output(world, before) == lines(1, 2)
    assert (await world.sessions().Get(pb.SessionRef(name=before))).status == pb.EXITED


async def test_a_database_that_is_away_is_no_fault_of_ours(
    world: World, postgres_server: Postgres
) -> None:
    await world.run()
    postgres_server.fall()
    impatient = session_pb2_grpc.SessionsStub(world.channel("session", None))
    token = (("authorization", f"Bearer {world.token(ANN)}"),)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await impatient.List(pb.ListSessionsRequest(), metadata=token)

    assert caught.value.code() == Code.UNAVAILABLE
    assert "PostgreSQL does not answer" in (caught.value.details() or "")

    await asyncio.to_thread(postgres_server.start)
    assert await listed(world) == ["ann/None/1"]


async def test_what_happened_while_the_database_was_away_is_reacted_to_once(
    world: World, postgres_server: Postgres
) -> None:
    names = [(await world.run()).name for _ in range(3)]
    for name in names:
        await world.ledger(SCHEDULER).PlaceHold(hold(name))
    refs = [await world.started(name) for name in names]
    for _ in range(2):
        postgres_server.fall()
        await world.ended(refs.pop())
        await asyncio.to_thread(postgres_server.start)
    await world.ended(refs.pop())

    async def charges() -> list[str] | None:
        await world.floors["ledger"].view.see_all()
        found = await world.ledger().Statement(StatementRequest())
        charged = [line.session for line in found.lines if line.event == "Charged"]
        return charged if len(charged) >= len(names) else None

    assert sorted(await eventually(charges)) == names


async def rewind(world: World) -> None:
    """Do as a power cut does to what was committed and not on disk yet."""
    async with world.floors["session"].pool.acquire() as connection, connection.transaction():
        await connection.execute("delete from session.archive where sequence > 3")
        await connection.execute("delete from session.session where sequence > 3")
        await connection.execute("update nsml.position set sequence = 3 where view = 'session'")


async def test_what_the_database_lost_is_folded_again(
    world: World, postgres_server: Postgres
) -> None:
    names = [(await world.run()).name for _ in range(5)]
    assert await listed(world) == names
    await rewind(world)
    postgres_server.fall()
    await asyncio.to_thread(postgres_server.start)
    names.append((await world.run()).name)

    assert await listed(world) == names
    assert len((await world.sessions().History(pb.HistoryRequest(name=names[4]))).lines) == 1


async def test_what_an_idle_database_lost_is_folded_again_by_itself(
    world: World, postgres_server: Postgres
) -> None:
    names = [(await world.run()).name for _ in range(5)]
    assert await listed(world) == names
    await rewind(world)
    postgres_server.fall()
    await asyncio.to_thread(postgres_server.start)

    async def is_whole() -> bool:
        reply = await world.sessions().List(pb.ListSessionsRequest(all=True))
        return sorted(row.session.name for row in reply.sessions) == names

    assert await eventually(is_whole)  # with no new entry


async def test_a_patient_caller_is_answered_when_the_database_is_back(
    world: World, postgres_server: Postgres
) -> None:
    first = (await world.run()).name
    postgres_server.fall()
    asking = world.sessions().List(pb.ListSessionsRequest(), timeout=60)
    await asyncio.to_thread(postgres_server.start)

    await asking  # not refused; what the database had lost is there after the next entry
    second = (await world.run()).name
    assert await listed(world) == [first, second]
