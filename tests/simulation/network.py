"""The network, simulated: calls that arrive, or late, or twice, or are done and never answered.

Stubs, servicers and the patience of callers are the product's own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message

from nsml_core.authority import rules
from nsml_core.caller import Caller
from nsml_core.calls import Call, current, enter
from nsml_core.errors import Error, Unavailable
from nsml_core.status import to_grpc
from nsml_protos import (
    board_pb2,
    dataset_pb2,
    identity_pb2,
    ledger_pb2,
    scheduler_pb2,
    session_pb2,
)
from nsml_protos.session_pb2 import Frame
from tests.simulation.chance import Chance
from tests.simulation.loop import PROCESS, Process, SimulatedLoop

_DEADLINE_SECONDS = 15.0
_TRIES = 3
"""How often gRPC tries by itself while a service is away."""

_REMEMBERED = 40

_FILES = (board_pb2, dataset_pb2, identity_pb2, ledger_pb2, scheduler_pb2, session_pb2)
_RULES = rules(one for file in _FILES for one in file.DESCRIPTOR.services_by_name.values())

Answer = asyncio.Future[Any]


@dataclass
class Server:
    """One service as others reach it."""

    process: Process
    methods: dict[str, Callable[[Any, Any], Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Sent:
    """One call on its way."""

    service: str
    path: str
    request: Message
    call: Call


class Network:
    """All services by name, and the ways to them."""

    def __init__(self, loop: SimulatedLoop, chance: Chance) -> None:
        self.loop = loop
        self.chance = chance
        self.servers: dict[str, Server] = {}
        self._heard: deque[Sent] = deque(maxlen=_REMEMBERED)

    def channel(self, service: str, caller: Caller) -> Any:
        return Channel(self, service, caller)

    async def ask(self, service: str, path: str, request: Message, caller: Caller) -> Message:
        """Call a method as gRPC does: with a deadline, and again while the service is away."""
        for pause in (*(0.05 * 2**number for number in range(_TRIES - 1)), None):
            if PROCESS.get().dead:
                raise asyncio.CancelledError
            try:
                return await self._once(service, path, request, caller)
            except Unavailable as error:
                if pause is None:
                    raise refusal(error) from None
                await asyncio.sleep(pause)
            except Error as error:
                raise refusal(error) from None
        raise AssertionError(path)

    async def _once(self, service: str, path: str, request: Message, caller: Caller) -> Message:
        answer: Answer = self.loop.create_future()
        fate = self.chance.fate()
        trip = self.chance.long() if fate == "late" else self.chance.trip()
        if trip > _DEADLINE_SECONDS:  # whoever gets it then sees that nobody waits for it
            fate = "lost"
        call = Call(caller, current().request_id, need=_RULES[path].need)
        sent = Sent(service, path, copy(request), call)
        if caller.kind != "user" or bool(getattr(request, "key", None)):
            self._heard.append(sent)
        if fate != "lost":
            hear = None if fate == "unanswered" else answer
            self.loop.call_later(trip, self._arrive, sent, hear)
        if fate == "twice":
            later = trip + _DEADLINE_SECONDS * self.chance.dice.random() ** 2
            self.loop.call_later(later, self._arrive, sent, None)
        late = Unavailable("A service did not answer in time.")
        deadline = self.loop.call_later(_DEADLINE_SECONDS, _settle, answer, late, None)
        try:
            return copy(await answer)
        finally:
            deadline.cancel()

    def echo(self, pick: int) -> None:
        """Let something that was said a while ago arrive once more.

        By a runner, a service, or a person whose words had a key.
        """
        if self._heard:
            self._arrive(self._heard[pick % len(self._heard)], None)

    def _arrive(self, sent: Sent, answer: Answer | None) -> None:
        server = self.servers.get(sent.service)
        method = server.methods.get(sent.path) if server else None
        if server is None or method is None or server.process.dead:
            if answer is not None and not answer.done():
                answer.set_exception(Unavailable(f"{sent.service} is away."))
            return
        task = server.process.start(self.loop, served(method, sent))
        task.add_done_callback(lambda task: self._answer(task, answer, sent.path))

    def _answer(self, task: asyncio.Task[Any], answer: Answer | None, path: str) -> None:
        error: BaseException | None
        error = Unavailable("It was killed.") if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, Error):
            self.loop.faults.append(f"fault: {path} failed: {error!r}")
            error = Unavailable("INTERNAL")
        if answer is None:
            return
        self.loop.call_later(
            self.chance.trip(), _settle, answer, error, None if error else task.result()
        )


def _settle(answer: Answer, error: BaseException | None, result: Any) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(result)


async def served(method: Callable[[Any, Any], Any], sent: Sent) -> Any:
    """Serve a call as the gate does, once it has let it in."""
    enter(replace(sent.call))
    return await method(copy(sent.request), None)


def copy(message: Message) -> Message:
    """Return what comes out at the other end."""
    return type(message).FromString(message.SerializeToString())


def refusal(error: Error) -> grpc.aio.AioRpcError:
    nothing = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(to_grpc(error), nothing, nothing, details=error.sentence)


class Channel:
    """What stubs are made from."""

    def __init__(self, network: Network, service: str, caller: Caller) -> None:
        self._network = network
        self._service = service
        self._caller = caller

    def unary_unary(self, path: str, *_: Any, **__: Any) -> Callable[[Message], Any]:
        def call(request: Message) -> Any:
            return self._network.ask(self._service, path, request, self._caller)

        return call

    def stream_stream(self, path: str, *_: Any, **__: Any) -> Callable[[], Conversation]:
        return lambda: Conversation(self._network, self._service, path, self._caller)

    def unary_stream(self, path: str, *_: Any, **__: Any) -> None:
        """No simulated client follows logs."""

    def stream_unary(self, path: str, *_: Any, **__: Any) -> None:
        """No simulated client sends blobs."""


class Conversation:
    """One call of streams: orders come down, until either side is gone."""

    def __init__(self, network: Network, service: str, path: str, caller: Caller) -> None:
        self._network = network
        self._caller = caller
        self._come: asyncio.Queue[Any] = asyncio.Queue()
        self._said: asyncio.Queue[Frame] = asyncio.Queue()
        self._free = 0.0
        self._task: asyncio.Task[None] | None = None
        network.loop.call_later(network.chance.trip(), self._arrive, service, path)

    def _arrive(self, service: str, path: str) -> None:
        server = self._network.servers.get(service)
        if server is None or server.process.dead or path not in server.methods:
            self._come.put_nowait(refusal(Unavailable(f"{service} is away.")))
            return
        self._task = server.process.start(self._network.loop, self._serve(server.methods[path]))
        self._task.add_done_callback(self._ended)

    async def _serve(self, method: Callable[[Any, Any], AsyncGenerator[Message, None]]) -> None:
        enter(Call(self._caller))
        async with contextlib.aclosing(method(self._speech(), None)) as orders:
            async for order in orders:
                await asyncio.sleep(self._network.chance.trip())
                self._come.put_nowait(copy(order))

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        known = error if isinstance(error, Error) else Unavailable("It was killed.")
        if error is not None and not isinstance(error, Error):
            self._network.loop.faults.append(f"fault: a conversation failed: {error!r}")
        broken = task.cancelled() or error is not None
        self._come.put_nowait(refusal(known) if broken else None)

    async def write(self, frame: bytes) -> None:
        """Send a frame; what is sent arrives in order, until the connection breaks."""
        if PROCESS.get().dead:
            raise asyncio.CancelledError
        if self._network.chance.fate() == "lost":
            self._come.put_nowait(refusal(Unavailable("The connection broke.")))
            self.cancel()
            return
        now = self._network.loop.time()
        self._free = max(self._free, now + self._network.chance.trip())
        said = Frame.FromString(frame)
        self._network.loop.call_later(self._free - now, self._said.put_nowait, said)

    async def _speech(self) -> AsyncIterator[Frame]:
        while True:
            yield await self._said.get()

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def __aiter__(self) -> AsyncIterator[Message]:
        return self._orders()

    async def _orders(self) -> AsyncIterator[Message]:
        while (word := await self._come.get()) is not None:
            if isinstance(word, BaseException):
                raise word
            yield word
