"""Every RPC performed twice, at once, late, or with its answer lost has the effect of one."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.message import Message

from nsml_core import calls
from nsml_core.caller import NOBODY, Caller
from nsml_core.settings import SERVICES, Settings
from nsml_protos.session_pb2 import AttachInput
from tests.faults import asked, asked_boards, asked_identity, asked_scheduler
from tests.faults.asked import Example
from tests.faults.fates import Fate
from tests.faults.proxy import METHODS, Proxy
from tests.services.world import World

_HOME = {
    "Blobs": "dataset",
    "Boards": "dataset",
    "Care": "session",
    "Datasets": "dataset",
    "Identity": "identity",
    "Ledger": "ledger",
    "Logins": "identity",
    "Scheduler": "scheduler",
}  # all others are the session service's
_ANSWERED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


_REFUSED = {Fate.AT_ONCE: {"Care/RebuildView"}}
"""What may refuse the later of two, without a second effect."""

_NOBODY_WAITS = {"Attempts/Attach", "Logins/BeginLogin", "Logins/EndLogin"}
"""Refused, however often: in their examples nobody is at the other end."""


FILES = (asked, asked_boards, asked_identity, asked_scheduler)
EXAMPLES = [one for file in FILES for one in file.EXAMPLES]


class Next:
    """Gives one call the fate that a test is about, and lets all others pass."""

    def __init__(self) -> None:
        self.fates: dict[str, Fate] = {}

    def __call__(self, method: str) -> Fate:
        return self.fates.pop(method, Fate.THROUGH)


class Between:
    """A world whose services are all reached through proxies."""

    def __init__(self, world: World, fate: Next, proxies: dict[str, Proxy]) -> None:
        self.world = world
        self.next = fate
        self.proxies = proxies
        self.number = 0
        self.refusals: list[str] = []

    async def ask(self, example: Example, fate: Fate) -> None:
        """Make a call that has this fate; after no answer, again, as every caller does."""
        self.number += 1
        asked = await example.prepare(self.world, self.number)
        path = f"/nsml.{example.method}"
        calls.enter(calls.Call(NOBODY, f"request-{self.number}"))
        self.next.fates[path] = fate
        for _ in range(2):
            try:
                await self._call(example, path, asked)
                break
            except grpc.aio.AioRpcError as error:
                if error.code() not in _ANSWERED:
                    self.refusals.append(f"{example.method}: {error.details()}")
                    break
        for proxy in self.proxies.values():
            await proxy.settle()

    async def _call(self, example: Example, path: str, asked: Any) -> None:
        service = _HOME.get(example.method.partition("/")[0], "session")
        channel = self.world.channel(service, example.caller or _runner(asked))
        method = METHODS[path]
        reply = _class(method.output_type).FromString
        kind = "stream" if method.client_streaming else "unary"
        kind += "_stream" if method.server_streaming else "_unary"
        call = getattr(channel, kind)(path, _bytes, reply)(_given(asked))
        if method.server_streaming:
            [_ async for _ in call]
        else:
            await call

    async def events(self, example: Example) -> tuple[str, ...]:
        """What the log has of the call just made, in the service that was asked."""
        service = _HOME.get(example.method.partition("/")[0], "session")
        log = self.world.floors[service].log
        found = await log.read(f"nsml.{service}.>")
        mine = [
            entry
            for entry in (record.decode() for record in found)
            if entry.entry.request_id == f"request-{self.number}"
        ]
        return tuple(event.DESCRIPTOR.name for entry in mine for event in entry.events)

    def packs(self) -> int:
        return len(list((self.world.settings.home / "blobs" / "packs").iterdir()))


def _bytes(message: Message) -> bytes:
    return message.SerializeToString()


def _runner(asked: Any) -> Caller:
    one = asked[0] if isinstance(asked, list) else asked
    if isinstance(one, AttachInput):
        one = one.to
    ref = one.ref if hasattr(one, "ref") else one
    return Caller("runner", ref.name, ref.attempt)


def _given(asked: Any) -> Any:
    return iter(asked) if isinstance(asked, list) else asked


def _class(descriptor: Any) -> Any:
    return descriptor._concrete_class


@pytest.fixture
async def between(config: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Between]:
    monkeypatch.setenv("NSML_USER", "ann")
    monkeypatch.setenv("NSML_OPENING_CREDIT", "100")
    world, fate = World(config), Next()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(world.close)
        await world.start(*SERVICES[:3], "scheduler", "session")
        proxies = {name: Proxy(fate) for name in SERVICES}
        for name, proxy in proxies.items():
            socket = Path(config.addresses[name].removeprefix("unix:"))
            await stack.enter_async_context(proxy.before(socket))
        yield Between(world, fate, proxies)


def test_there_is_an_example_of_every_rpc() -> None:
    assert sorted(f"/nsml.{example.method}" for example in EXAMPLES) == sorted(METHODS)


@pytest.mark.parametrize("fate", [Fate.THROUGH, Fate.TWICE, Fate.AT_ONCE, Fate.LOST, Fate.LATE])
async def test_every_rpc_has_the_effect_of_one(between: Between, fate: Fate) -> None:
    differ = []
    for example in EXAMPLES:
        packs = between.packs()
        await between.ask(example, fate)
        found = await between.events(example)
        added = between.packs() - packs
        if example.packs and added != example.packs:
            differ.append(f"{example.method}: {added} packs")
        if found != example.events:
            differ.append(f"{example.method}: {found} instead of {example.events}")

    assert differ == []
    assert {said.partition(":")[0] for said in between.refusals} <= {
        *_NOBODY_WAITS,
        *_REFUSED.get(fate, ()),
    }
