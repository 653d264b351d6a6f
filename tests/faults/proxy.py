"""Stands between callers and a service, and answers calls twice, late, or not at all.

It takes the place of the service's socket; whoever connects afterwards comes through here. Bytes
are passed on as they are: it knows a method's kind, and of a message nothing.
"""

import asyncio
import json
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from nsml_protos import (
    blobs_pb2,
    board_pb2,
    care_pb2,
    dataset_pb2,
    identity_pb2,
    ledger_pb2,
    scheduler_pb2,
    session_pb2,
)
from tests.faults.fates import Fate

_FILES = (
    blobs_pb2,
    board_pb2,
    care_pb2,
    dataset_pb2,
    identity_pb2,
    ledger_pb2,
    scheduler_pb2,
    session_pb2,
)
METHODS = {
    f"/{service.full_name}/{method.name}": method
    for file in _FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
"""Every method of the platform, by its path."""

_WATCH_SECONDS = 0.02
_LATE_SECONDS = 0.05
_OPTIONS = (
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.max_send_message_length", 64 * 1024 * 1024),
    ("grpc.enable_retries", 0),
    ("grpc.max_reconnect_backoff_ms", 500),
)

Choose = Callable[[str], Fate]


class Proxy(grpc.GenericRpcHandler):
    """One service's stand-in."""

    def __init__(self, choose: Choose) -> None:
        self.choose = choose
        self.met: Counter[tuple[Fate, str]] = Counter()
        """What became of which calls."""

        self.cut_off: str = ""
        """Callers of this kind, such as `runner`, reach nobody for now."""

        self._talks: set[Any] = set()
        self._late: set[asyncio.Task[Any]] = set()
        self._channel: Any = None

    def service(self, handler_call_details: Any) -> Any:
        """Take every call, whatever its method."""
        method = handler_call_details.method

        async def behave(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            async for reply in self._serve(method, requests, context):
                yield reply

        return grpc.stream_stream_rpc_method_handler(behave)

    async def _serve(
        self, method: str, requests: AsyncIterator[bytes], context: Any
    ) -> AsyncIterator[bytes]:
        metadata = tuple((key, value) for key, value in context.invocation_metadata())
        await self._refuse_who_is_cut_off(metadata, context)
        fate = self.choose(method) if method in METHODS else Fate.THROUGH
        kind = METHODS.get(method)
        talk = _Talk(self._channel, method, metadata, context)
        if kind is None or kind.server_streaming:
            self.met[Fate.THROUGH, method] += 1
            call = talk.call(requests)
            with self._talking(call, metadata):
                async for reply in talk.pass_on(call):
                    yield reply
            return
        self.met[fate, method] += 1
        sent = [request async for request in requests]
        try:
            yield await self._answer(talk, sent, fate)
        except grpc.aio.AioRpcError as error:
            await talk.refuse(error)

    async def _answer(self, talk: "_Talk", sent: list[bytes], fate: Fate) -> bytes:
        match fate:
            case Fate.TWICE:
                with suppress(grpc.aio.AioRpcError):
                    await talk.ask(sent)
                return await talk.ask(sent)
            case Fate.AT_ONCE:
                both = (talk.ask(sent), talk.ask(sent))
                _, second = await asyncio.gather(*both, return_exceptions=True)
                if isinstance(second, BaseException):
                    raise second
                return second
            case Fate.LOST:
                with suppress(grpc.aio.AioRpcError):
                    await talk.ask(sent)
                await talk.context.abort(grpc.StatusCode.UNAVAILABLE, "the answer was lost")
            case Fate.LATE:
                later = asyncio.create_task(self._ask_late(talk, sent))
                self._late.add(later)
                later.add_done_callback(self._late.discard)
                await talk.context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "it takes too long")
        return await talk.ask(sent)

    async def _ask_late(self, talk: "_Talk", sent: list[bytes]) -> None:
        await asyncio.sleep(_LATE_SECONDS)
        with suppress(grpc.aio.AioRpcError):
            await talk.ask(sent)

    async def _refuse_who_is_cut_off(self, metadata: Any, context: Any) -> None:
        if self.cut_off and _kind(metadata) == self.cut_off:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "there is no network")

    def cut(self, kind: str) -> None:
        """Let callers of a kind reach nobody, and break off what they talk about."""
        self.cut_off = kind
        for call in list(self._talks):
            call.cancel()

    def restore(self) -> None:
        """Let everybody through again."""
        self.cut_off = ""

    @contextmanager
    def _talking(self, call: Any, metadata: Any) -> Iterator[None]:
        if _kind(metadata) == "runner":
            self._talks.add(call)
        try:
            yield
        finally:
            self._talks.discard(call)

    async def settle(self) -> None:
        """Return once no late call is on its way."""
        while self._late:
            await asyncio.wait(set(self._late))

    @asynccontextmanager
    async def before(self, socket: Path) -> AsyncIterator["Proxy"]:
        """Stand before the service at a socket while the block runs."""
        behind, before = socket.with_suffix(".behind"), socket.with_suffix(".before")
        server = grpc.aio.server(options=_OPTIONS)
        server.add_generic_rpc_handlers((self,))
        server.add_insecure_port(f"unix:{before}")
        await server.start()
        watching = asyncio.create_task(_stay_before(socket, behind, before))
        try:
            async with grpc.aio.insecure_channel(f"unix:{behind}", options=_OPTIONS) as channel:
                self._channel = channel
                while not socket.is_symlink():
                    await asyncio.sleep(_WATCH_SECONDS)
                yield self
                await self.settle()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            if socket.is_symlink() and behind.exists():
                behind.rename(socket)
            await server.stop(None)


class _Talk:
    """One call, and how it is made to the service itself."""

    def __init__(self, channel: Any, method: str, metadata: Any, context: Any) -> None:
        self.context = context
        self._method = channel.stream_stream(method)
        self._metadata = metadata
        remaining = context.time_remaining()
        self._seconds = None if remaining is None else max(remaining, 0.001)

    def call(self, requests: Any) -> Any:
        """Begin to make the call."""
        return self._method(requests, metadata=self._metadata, timeout=self._seconds)

    async def ask(self, sent: list[bytes]) -> bytes:
        """Make the call once, and return its one answer."""
        call = self.call(_each(sent))
        reply: Any = await call.read()
        self.context.set_trailing_metadata(tuple(await call.trailing_metadata()))
        if reply is grpc.aio.EOF:
            code = await call.code()
            raise grpc.aio.AioRpcError(
                code,
                await call.initial_metadata(),
                await call.trailing_metadata(),
                await call.details(),
            )
        return bytes(reply)

    async def pass_on(self, call: Any) -> AsyncIterator[bytes]:
        """Pass on what both sides say, until one of them has no more to say."""
        try:
            async for reply in call:
                yield reply
        except grpc.aio.AioRpcError as error:
            await self.refuse(error)
        except asyncio.CancelledError:
            if call.cancel():  # not we broke it off: the caller did
                raise
            await self.context.abort(grpc.StatusCode.UNAVAILABLE, "there is no network")

    async def refuse(self, error: grpc.aio.AioRpcError) -> None:
        """Say what the service said."""
        await self.context.abort(error.code(), error.details() or "")


async def _each(sent: list[bytes]) -> AsyncIterator[bytes]:
    for request in sent:
        yield request


async def _stay_before(socket: Path, behind: Path, before: Path) -> None:
    """Whenever the service has made its socket anew, step between again."""
    while True:
        if socket.exists() and not socket.is_symlink():
            socket.rename(behind)
            link = socket.with_suffix(".link")
            link.symlink_to(before.name)
            link.rename(socket)
        await asyncio.sleep(_WATCH_SECONDS)


def _kind(metadata: Any) -> str:
    """Return what kind of caller a token says that its bearer is."""
    token = str(dict(metadata).get("authorization", "")).removeprefix("Bearer ")
    claims = token.split(".")[1] if token.count(".") == 2 else ""
    content = json.loads(urlsafe_b64decode(claims + "=" * (-len(claims) % 4)) or b"{}")
    return str(content.get("kind", ""))
