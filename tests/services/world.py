"""Services of this test's own, each on its real floor, and callers of every kind."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import grpc
import grpc.aio
import pytest
from google.protobuf.message import Message

from nsml_core import auth, clients, serve
from nsml_core.blobs import client as blobs
from nsml_core.caller import NOBODY, Caller
from nsml_core.calls import Call
from nsml_core.serve import Face, Floor
from nsml_core.settings import Settings
from nsml_core.store import Store
from nsml_identity.state import USER
from nsml_protos import dataset_pb2 as ds
from nsml_protos import (
    dataset_pb2_grpc,
    identity_pb2_grpc,
    ledger_pb2_grpc,
    scheduler_pb2,
    session_pb2_grpc,
)
from nsml_protos import session_pb2 as pb
from nsml_protos.identity_pb2 import Registered
from nsml_protos.ledger_pb2 import HoldRequest
from nsml_protos.scheduler_pb2_grpc import SchedulerStub, add_SchedulerServicer_to_server
from nsml_scheduler.cluster import Cluster
from nsml_scheduler.servicer import Own, Scheduler
from nsml_scheduler.state import NODE
from nsml_scheduler.terms import POLICY
from nsml_scheduler.views import kept_by

T = TypeVar("T")

ANN = Caller("user", "ann")
BOB = Caller("user", "bob")
ROOT = Caller("user", "root", admin=True)
SCHEDULER = Caller("service", "scheduler")


@asynccontextmanager
async def idle_scheduler(floor: Floor) -> AsyncIterator[Sequence[Face]]:
    """The scheduler's real face over nodes with room, and nothing that places: the test does."""
    devices = [scheduler_pb2.Device(id=str(number)) for number in range(8)]
    nodes = {
        name: scheduler_pb2.Node(name=name, devices=devices, cpus=64) for name in ("here", "there")
    }
    descriptor = scheduler_pb2.DESCRIPTOR.services_by_name["Scheduler"]
    own = Own(Store(floor.log, NODE), Store(floor.log, POLICY))
    stored = partial(kept_by, floor.view)
    servicer = Scheduler(Cluster(nodes=nodes), own, look=lambda: None, stored=stored)
    yield [Face(descriptor, add_SchedulerServicer_to_server, servicer)]


@asynccontextmanager
async def running(name: str, settings: Settings, *, placing: bool) -> AsyncIterator[Floor]:
    """One service, serving until the block ends."""
    schema = importlib.import_module(f"nsml_{name}.views").SCHEMA
    lifespan = importlib.import_module(f"nsml_{name}.service").lifespan
    if name == "scheduler" and not placing:
        lifespan = idle_scheduler
    async with AsyncExitStack() as stack:
        floor = await stack.enter_async_context(serve.floor_of(name, schema, settings))
        beside = await stack.enter_async_context(serve.served(floor, lifespan))
        yield floor
        for task in beside:
            if task.done():
                task.result()  # it failed: so does the test


class World:
    """Some services, and those who call them."""

    def __init__(self, settings: Settings, *, placing: bool = False) -> None:
        self.settings = settings
        self._placing = placing
        self.secret = auth.make_secret(settings.secret_file)
        self.floors: dict[str, Floor] = {}
        self._lives: dict[str, AsyncExitStack] = {}
        self._channels: dict[tuple[str, Caller | None], grpc.aio.Channel] = {}

    async def start(self, *names: str) -> None:
        for name in names:
            self._lives[name] = AsyncExitStack()
            self.floors[name] = await self._lives[name].enter_async_context(
                running(name, self.settings, placing=self._placing)
            )

    async def stop(self, name: str) -> None:
        self.floors.pop(name, None)
        await self._lives.pop(name).aclose()

    async def close(self) -> None:
        """Close all, also where one of them failed: a server must not outlive its event loop."""
        async with AsyncExitStack() as stack:
            for name in self._lives:
                stack.push_async_callback(self.stop, name)
            for channel in self._channels.values():
                stack.push_async_callback(channel.close)

    async def tell(self, key: str, *events: Message) -> None:
        """Let something be so in identity, and known to every service; what is so already stays."""
        log = self.floors["identity"].log
        people = Store(log, USER)
        known = (await people.get(key)).name
        if not (known and isinstance(events[0], Registered)):
            await people.decide(key, Call(ROOT).context(), lambda _: events)
        newest = await log.newest([USER.subject(key)])
        for floor in self.floors.values():
            await floor.directory.wait_for(newest)

    def token(self, caller: Caller) -> str:
        return auth.issue(self.secret, caller)

    def channel(self, service: str, caller: Caller | None) -> grpc.aio.Channel:
        """The channel of a caller to a service; nobody has no token."""
        key = (service, caller)
        if key not in self._channels:
            address = self.settings.addresses[service]
            self._channels[key] = (
                clients.connect(address, "" if caller is NOBODY else self.token(caller))
                if caller
                else grpc.aio.insecure_channel(address)
            )
        return self._channels[key]

    def sessions(self, caller: Caller = ANN) -> Any:
        return session_pb2_grpc.SessionsStub(self.channel("session", caller))

    def placements(self) -> Any:
        return session_pb2_grpc.PlacementsStub(self.channel("session", SCHEDULER))

    def attempts(self, session: str, attempt: int = 1, rank: int = 0) -> Any:
        runner = Caller("runner", session, attempt, rank=rank)
        return session_pb2_grpc.AttemptsStub(self.channel("session", runner))

    def datasets(self, caller: Caller = ANN) -> Any:
        return dataset_pb2_grpc.DatasetsStub(self.channel("dataset", caller))

    def ledger(self, caller: Caller = ANN) -> Any:
        return ledger_pb2_grpc.LedgerStub(self.channel("ledger", caller))

    def identity(self, caller: Caller = ANN) -> Any:
        return identity_pb2_grpc.IdentityStub(self.channel("identity", caller))

    def logins(self, caller: Caller | None = ANN) -> Any:
        return identity_pb2_grpc.LoginsStub(self.channel("identity", caller))

    def scheduler(self, caller: Caller = ANN) -> Any:
        return SchedulerStub(self.channel("scheduler", caller))

    async def stored(self, folder: Path, content: str, caller: Caller = ANN) -> str:
        """A tree of one file, in the store."""
        folder.mkdir(exist_ok=True)
        (folder / "file").write_text(content)
        address, where = self.settings.addresses["dataset"], self.settings.blobs_url
        async with blobs.Client(address, self.token(caller), where) as client:
            return (await client.push(folder)).id

    async def push(self, name: str, tree: str, caller: Caller = ANN, **named: Any) -> ds.PushReply:
        request = ds.PushRequest(name=name, tree=tree, **named)
        reply: ds.PushReply = await self.datasets(caller).Push(request)
        return reply

    async def run(self, caller: Caller = ANN, **named: Any) -> pb.Session:
        """A session in the queue."""
        reply: pb.RunReply = await self.sessions(caller).Run(request(**named))
        return reply.session

    async def placed(self, session: str, attempt: int = 1, device: str = "") -> None:
        """Give a session a device: its own, unless one is named."""
        devices = [device or session]
        place = pb.PlaceRequest(name=session, attempt=attempt, node="here", devices=devices)
        await self.placements().Place(place)

    async def started(self, session: str, attempt: int = 1) -> pb.AttemptRef:
        await self.placed(session, attempt)
        ref = pb.AttemptRef(name=session, attempt=attempt)
        await self.attempts(session, attempt).Start(pb.StartRequest(ref=ref, environment="e"))
        return ref

    async def ended(self, ref: pb.AttemptRef, exit_code: int = 0) -> None:
        outcome = pb.Outcome(exit_code=exit_code)
        await self.attempts(ref.name, ref.attempt).End(pb.EndRequest(ref=ref, outcome=outcome))


def request(**named: Any) -> pb.RunRequest:
    return pb.RunRequest(**{"code_tree": "c" * 64, "entry": "main.py", **named})


def hold(session: str, owner: str = "ann", gpus: int = 1, attempt: int = 1) -> HoldRequest:
    return HoldRequest(owner=owner, session=session, attempt=attempt, gpus=gpus)


@asynccontextmanager
async def refused(code: grpc.StatusCode, sentence: str = "") -> AsyncIterator[None]:
    """Expect that a call is refused so."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        yield
    assert caught.value.code() == code, caught.value.details()
    assert sentence in (caught.value.details() or "")


async def eventually(condition: Callable[[], Awaitable[T | None]]) -> T:
    """Wait until something is true, and return it; the test's own time limit is the only one."""
    while not (found := await condition()):
        await asyncio.sleep(0.02)
    return found
