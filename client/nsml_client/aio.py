"""The client for event loops: nothing that it does keeps the loop from others.

Calls are grpcio's own, on the caller's loop; files are read and written on threads.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
import grpc.aio

from nsml_client import access, store
from nsml_client.access import Access, Patience, R, Request, path_of, process_of
from nsml_client.errors import Broken, StandsBy, Throttled, error_of
from nsml_client.modes import Async
from nsml_client.platform import Platform
from nsml_core import blobs, channels
from nsml_core.errors import Error
from nsml_core.settings import Settings

T = TypeVar("T")


class AsyncClient(Access, Platform[Async]):
    """Whatever a person can do, by methods that are awaited; for the loop that it is used in."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        token: str = "",
        request_id: str = "",
        team: str = "",
    ) -> None:
        Access.__init__(self, settings, token=token, request_id=request_id, team=team)
        Platform.__init__(self, _Awaited(self))
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Hang up, and write down what other clients of this machine should wait to see."""
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()
        await asyncio.to_thread(self.positions.save)

    async def call(self, method: str, request: Request, reply: type[R]) -> R:
        """Make a unary call, such as `Sessions/List`; once more if the connection broke."""
        patience = Patience()
        while True:
            try:
                return await self._call_once(method, request, reply)
            except (StandsBy, Throttled) as error:
                await asyncio.sleep(patience.after(error))

    async def _call_once(self, method: str, request: Request, reply: type[R]) -> R:
        make = self._channel(method).unary_unary(path_of(method), _written, reply.FromString)
        with self.span(method) as span:
            metadata = await self._metadata(method, span.traceparent)
            sent = make(request, metadata=metadata, timeout=access.TIMEOUT_SECONDS)
            try:
                answer = await sent
            except grpc.aio.AioRpcError as error:
                raise await self._error(error, method) from None
        for heard in (await sent.initial_metadata(), await sent.trailing_metadata()):
            self.positions.note(str(heard.get("x-nsml-position", "")))
        return answer

    async def stream(
        self, method: str, request: Request, reply: type[R]
    ) -> AsyncGenerator[R, None]:
        """Make a call with many replies; again if it was refused before anything came."""
        patience, heard = Patience(), False
        while True:
            try:
                async with aclosing(self._stream_once(method, request, reply)) as got:
                    async for answer in got:
                        heard = True
                        yield answer
            except (StandsBy, Throttled) as error:
                if heard:
                    raise
                await asyncio.sleep(patience.after(error))
            else:
                return

    async def _stream_once(
        self, method: str, request: Request, reply: type[R]
    ) -> AsyncGenerator[R, None]:
        make = self._channel(method).unary_stream(path_of(method), _written, reply.FromString)
        with self.span(method) as span:
            sent = make(request, metadata=await self._metadata(method, span.traceparent))
            try:
                async for answer in sent:
                    yield answer
            except grpc.aio.AioRpcError as error:
                raise await self._error(error, method) from None
            finally:
                sent.cancel()

    def _channel(self, method: str) -> grpc.aio.Channel:
        process = process_of(method)
        if process not in self._channels:
            address = self.settings.addresses[process]
            secured = self.settings.tls
            self._channels[process] = channels.connect(address, secured, service=process)
        return self._channels[process]

    async def _metadata(self, method: str, traceparent: str) -> grpc.aio.Metadata:
        if "token" not in vars(self):  # the first time, it may come from a file
            await asyncio.to_thread(getattr, self, "token")
        pairs = self.metadata(process_of(method), self.next_request_id(), traceparent)
        return grpc.aio.Metadata(*pairs)

    async def _error(self, error: grpc.aio.AioRpcError, method: str) -> Error:
        """Return what a failed call means; of a service that cannot be reached, why."""
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            await asyncio.to_thread(self.require, process_of(method))
        headers = {str(key): str(value) for key, value in error.trailing_metadata() or ()}
        told = error_of(error.code().name, error.details() or "", headers)
        return self.told(told, method) if isinstance(told, Broken) else told


def _written(request: Request) -> bytes:
    return request.SerializeToString()


class _Awaited:
    """What operations are made of, each awaited on the loop."""

    is_blocking = False

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self.settings = client.settings
        self.call = client.call
        self.stream = client.stream

    @property
    def owner(self) -> str:
        return self._client.owner

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def aside(self, work: Callable[[], T]) -> T:
        return await asyncio.to_thread(work)

    async def store(self, work: Callable[[blobs.Client], Coroutine[Any, Any, T]]) -> T:
        return await store.awaited(self._client, work)
