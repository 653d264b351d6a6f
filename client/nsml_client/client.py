"""The blocking client of the platform: for programs; the command line is built on it."""

import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from contextlib import closing
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from nsml_client import access
from nsml_client.access import Access, Patience, R, Request, path_of, process_of
from nsml_client.errors import Broken, Lost, StandsBy, Throttled
from nsml_client.modes import Sync
from nsml_client.platform import Platform
from nsml_client.rpc import Call, Connection
from nsml_core.settings import Settings

if TYPE_CHECKING:  # it comes with grpcio, and is needed only once content is sent
    from nsml_core import blobs

T = TypeVar("T")


class Client(Access, Platform[Sync]):
    """Whatever a person can do, by methods that return their result; any thread may call them."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        token: str = "",
        request_id: str = "",
        team: str = "",
    ) -> None:
        Access.__init__(self, settings, token=token, request_id=request_id, team=team)
        Platform.__init__(self, _Blocking(self))
        self._idle: dict[str, list[Connection]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        for process in list(self._idle):
            self._drop(process)

    def call(self, method: str, request: Request, reply: type[R]) -> R:
        """Make a unary call, such as `Sessions/List`; once more if the connection broke."""
        request_id, patience = self.next_request_id(), Patience()
        while True:
            try:
                return self._call_once(method, request, reply, request_id)
            except (Lost, Throttled) as error:
                if isinstance(error, Lost):
                    self._drop(process_of(method))
                time.sleep(patience.after(error))

    def stream(
        self, method: str, request: Request, reply: type[R], *, idle_seconds: float | None = None
    ) -> Iterator[R | None]:
        """Make a call with many replies; None says that nothing came for so long.

        It is made again if it was refused for the moment, before anything came.
        """
        request_id, patience, heard = self.next_request_id(), Patience(), False
        while True:
            try:
                with closing(self._stream_once(method, request, request_id, idle_seconds)) as got:
                    for data in got:
                        heard = True
                        yield None if data is None else reply.FromString(data)
            except (StandsBy, Throttled) as error:
                if heard:
                    raise
                time.sleep(patience.after(error))
            else:
                return

    def _stream_once(
        self, method: str, request: Request, request_id: str, idle_seconds: float | None
    ) -> Generator[bytes | None, None, None]:
        connection = self._connect(process_of(method))
        try:
            with self.span(method) as span:
                call = self._new_call(method, request, request_id, span.traceparent)
                call.idle_seconds = idle_seconds
                yield from connection.replies(call)
        except Broken as error:
            raise self.told(error, method) from error
        finally:
            connection.close()

    def _call_once(self, method: str, request: Request, reply: type[R], request_id: str) -> R:
        connection = self._take(process_of(method))
        try:
            with self.span(method) as span:
                call = self._new_call(method, request, request_id, span.traceparent)
                call.limit(access.TIMEOUT_SECONDS)
                replies = [data for data in connection.replies(call) if data is not None]
        except Broken as error:
            raise self.told(error, method) from error
        finally:
            self._give_back(process_of(method), connection)
        if len(replies) != 1:
            raise Lost("The service ended the call without a reply.")
        if self.positions.note(call.headers.get("x-nsml-position", "")):
            self.positions.save()
        return reply.FromString(replies[0])

    def _new_call(self, method: str, request: Request, request_id: str, traceparent: str) -> Call:
        metadata = self.metadata(process_of(method), request_id, traceparent)
        return Call(path_of(method), request.SerializeToString(), metadata)

    def _take(self, process: str) -> Connection:
        """Return a connection that carries no other call."""
        try:
            return self._idle[process].pop()
        except (KeyError, IndexError):
            return self._connect(process)

    def _give_back(self, process: str, connection: Connection) -> None:
        if connection.is_clean:
            self._idle.setdefault(process, []).append(connection)
        else:
            connection.close()

    def _drop(self, process: str) -> None:
        """Close idle connections: where one broke, its like may have broken too."""
        for connection in self._idle.pop(process, []):
            connection.close()

    def _connect(self, process: str) -> Connection:
        try:
            return Connection(self.where(process))
        except OSError as error:
            raise self.absent(process) from error


def connect(settings: Settings | None = None, *, token: str = "") -> Client:
    """Return a client of a platform that answers and knows the bearer.

    Raises:
        Unavailable: The platform does not answer.
        Unauthenticated: It does not know the token.
    """
    client = Client(settings, token=token)
    try:
        client.whoami()
    except BaseException:
        client.close()
        raise
    return client


class _Blocking:
    """What operations are made of, each done when it returns."""

    is_blocking = True

    def __init__(self, client: Client) -> None:
        self._client = client
        self.settings = client.settings

    @property
    def owner(self) -> str:
        return self._client.owner

    async def call(self, method: str, request: Request, reply: type[R]) -> R:
        return self._client.call(method, request, reply)

    async def stream(
        self, method: str, request: Request, reply: type[R]
    ) -> AsyncGenerator[R, None]:
        for data in self._client.stream(method, request, reply):
            if data is not None:
                yield data

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 - no loop waits for this

    async def aside(self, work: Callable[[], T]) -> T:
        return work()

    async def store(self, work: "Callable[[blobs.Client], Coroutine[Any, Any, T]]") -> T:
        from nsml_client import store

        return store.blocking(self._client, work)
