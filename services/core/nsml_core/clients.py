"""Channels to the services.

Token, request id and trace go along, deadlines and retries are set, in this one place.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc
import grpc.aio

from nsml_core import channels, telemetry
from nsml_core.calls import current
from nsml_core.settings import Settings
from nsml_core.status import from_grpc
from nsml_core.tls import Tls

T = TypeVar("T")

_DEADLINE_SECONDS = 15.0

Metadata = tuple[tuple[str, str], ...]

_ends: set["asyncio.Task[None]"] = set()
"""What awaits the ends of calls; kept here, or it would be collected."""


def metadata(token: str, traceparent: str) -> Metadata:
    """Return what goes along with every call: who speaks, for which request, in which trace."""
    bearer = (("authorization", f"Bearer {token}"),) if token else ()
    return (
        *bearer,
        ("x-request-id", current().request_id),
        ("traceparent", traceparent),
    )


async def ask(call: Awaitable[T]) -> T:
    """Await a call, and raise its error as ours."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise from_grpc(error) from None


class _Caller:
    """Makes calls to one address: as whom, for which request, in which trace, for how long."""

    _limit: float | None = None

    def __init__(self, address: str, token: Callable[[], str], guard: Callable[[], None]) -> None:
        self._address = address
        self._token = token
        self._guard = guard

    async def _make(self, continuation: Any, details: Any, request: Any) -> Any:
        self._guard()
        method = details.method if isinstance(details.method, str) else details.method.decode()
        span = telemetry.calling(method, self._address, current().traceparent)
        call = await continuation(self._complete(details, span.traceparent), request)
        if telemetry.is_on():
            end = asyncio.create_task(_end(span, call))
            _ends.add(end)
            end.add_done_callback(_ends.discard)
        return call

    def _complete(self, details: Any, traceparent: str) -> Any:
        return grpc.aio.ClientCallDetails(
            details.method,
            details.timeout if details.timeout is not None else self._limit,
            grpc.aio.Metadata(*(details.metadata or ()), *metadata(self._token(), traceparent)),
            details.credentials,
            True,
        )


class _Unary(_Caller, grpc.aio.UnaryUnaryClientInterceptor):
    """Calls with one answer, which have a deadline."""

    _limit = _DEADLINE_SECONDS

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return await self._make(continuation, details, request)


class _UnaryStream(_Caller, grpc.aio.UnaryStreamClientInterceptor):
    """Calls answered by a stream, which may last."""

    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return await self._make(continuation, details, request)


class _StreamUnary(_Caller, grpc.aio.StreamUnaryClientInterceptor):
    """Calls that send a stream."""

    async def intercept_stream_unary(self, continuation: Any, details: Any, requests: Any) -> Any:
        return await self._make(continuation, details, requests)


class _StreamStream(_Caller, grpc.aio.StreamStreamClientInterceptor):
    """Conversations."""

    async def intercept_stream_stream(self, continuation: Any, details: Any, requests: Any) -> Any:
        return await self._make(continuation, details, requests)


async def _end(span: telemetry.Span, call: Any) -> None:
    span.end((await call.code()).name)


def connect(
    address: str,
    token: str | Callable[[], str],
    secured: Tls | None = None,
    *,
    service: str = "",
    guard: Callable[[], None] = lambda: None,
) -> grpc.aio.Channel:
    """Return a channel to an address whose calls are made as the bearer of this token.

    Of a service that may have replicas name it too: then one that stands by is not called. The
    guard refuses to call for one who may have been succeeded.
    """
    source = token if callable(token) else lambda: token
    kinds = (_Unary, _UnaryStream, _StreamUnary, _StreamStream)
    interceptors = [kind(address, source, guard) for kind in kinds]
    return channels.connect(address, secured, service=service, interceptors=interceptors)


class Clients:
    """Channels of one service to the others, made when first used."""

    def __init__(self, settings: Settings, token: str) -> None:
        self._settings = settings
        self._token = token
        self._channels: dict[str, grpc.aio.Channel] = {}
        self.guard: Callable[[], None] = lambda: None
        """Called before each call: it refuses to make it for one who may have been succeeded."""

    def channel(self, service: str) -> grpc.aio.Channel:
        """Return the channel to a service, by its name."""
        if service not in self._channels:
            address, secured = self._settings.addresses[service], self._settings.tls
            self._channels[service] = connect(
                address, self._token, secured, service=service, guard=self._check
            )
        return self._channels[service]

    def _check(self) -> None:
        self.guard()

    async def close(self) -> None:
        """Hang up."""
        for channel in self._channels.values():
            await channel.close()
