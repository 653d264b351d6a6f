"""Our words with the log's server: connect patiently, publish, ask, and call its JSON API.

The client library swallows a cancellation that arrives while it flushes; these functions do not.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError, NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from nsml_core import secure
from nsml_core.connection import Connection, Plaintext
from nsml_core.errors import Invalid, NotFound, Refused, Unavailable
from nsml_core.tls import Tls

Headers = dict[str, str]
T = TypeVar("T")

_TIMEOUT = 10.0
_CONNECT_TRIES = 100
_PING_SECONDS = 3
_STREAM_NOT_FOUND = 10059
_LEADERLESS = 10008
_CHOOSING_SECONDS = 0.2


class Silent(Unavailable):
    """The log's server may have taken what it was told, or not."""


class Leaderless(Unavailable):
    """Of several servers none leads just now, or the one that answered knows none."""

    def __init__(self) -> None:
        super().__init__("The log's servers are choosing one that leads; try again shortly.")


@asynccontextmanager
async def connected(url: str, name: str, secured: Tls | None = None) -> AsyncIterator[Connection]:
    """Be connected to the server, waiting for one that starts beside us.

    Reconnecting later is the client's own work.
    """
    client = await _connect(url, name, secured)
    try:
        yield client
    finally:
        await client.close()


async def _connect(url: str, name: str, secured: Tls | None) -> Connection:
    first = True

    async def quiet(error: Exception) -> None:
        """Whoever needs the server while it is away gets `Unavailable` for their own call."""
        if first and isinstance(error, ssl.SSLError | Plaintext):
            raise Refused(f"The log's server and this process do not agree on TLS: {error}.")

    encrypted: dict[str, Any] = {}
    if secure.is_wanted(secured, url):
        encrypted = {"tls": secure.context(secured)} | (
            {"tls_hostname": secured.name} if secured.name else {}
        )
    for attempt in range(_CONNECT_TRIES):
        client = Connection()
        try:
            await client.connect(
                url.split(","),
                name=name,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.2,  # type: ignore[arg-type] # parts of a second too
                connect_timeout=2,
                # A server whose machine is cut off closes no connection.
                ping_interval=_PING_SECONDS,
                max_outstanding_pings=2,
                pending_size=64 * 1024 * 1024,
                error_cb=quiet,
                **encrypted,
            )
        except (TimeoutError, OSError, NatsError):
            await asyncio.sleep(min(0.02 * (attempt + 1), 0.5))
        else:
            first = False
            return client
    raise Unavailable("The log's server does not answer: look at logs/nats.log in NSML_HOME.")


async def publish(
    client: Client, subject: str, data: bytes, *, reply: str = "", headers: Headers | None = None
) -> None:
    """Send a message and expect nothing."""
    await client.publish(subject, data, reply=reply, headers=headers)
    _honour_cancellation()


async def flushed(client: Client) -> None:
    """Return once the server has taken in all that was sent."""
    try:
        await client.flush()
    except NatsError as error:
        raise Unavailable(f"The log's server does not answer ({error}); try again.") from None
    finally:
        _honour_cancellation()


async def ask(
    client: Client,
    subject: str,
    data: bytes,
    *,
    headers: Headers | None = None,
    seconds: float = _TIMEOUT,
) -> Msg:
    """Send a message and return the answer."""
    try:
        return await client.request(subject, data, timeout=seconds, headers=headers)
    except MaxPayloadError:
        raise Invalid(
            f"This is more than the log takes at once: {len(data)} of {client.max_payload} bytes."
        ) from None
    except NoRespondersError:
        raise Leaderless from None
    except NatsTimeoutError as error:
        raise Silent(f"The log's server does not answer ({error}); try again.") from None
    except NatsError as error:
        raise Unavailable(f"The log's server does not answer ({error}); try again.") from None
    finally:
        _honour_cancellation()


async def led(work: Callable[[], Awaitable[T]]) -> T:
    """Do what the leader of several servers has to do; ask again for as long as there is none."""
    try:
        return await work()
    except Leaderless:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(Leaderless),
            wait=wait_fixed(_CHOOSING_SECONDS),
            stop=stop_after_delay(_TIMEOUT),
            reraise=True,
        ):
            with attempt:
                return await work()
        raise


def check_led(error: Mapping[str, Any]) -> None:
    """Tell apart who knows no leader: a server that was cut off says it, too, beside the others."""
    if error.get("err_code") == _LEADERLESS:
        raise Leaderless


def _honour_cancellation() -> None:
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def api(
    client: Client, name: str, request: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """Call JetStream's management API and return its reply; an error reply raises."""
    reply = await ask(client, f"$JS.API.{name}", json.dumps(request).encode() if request else b"")
    answer: dict[str, Any] = json.loads(reply.data)
    error = answer.get("error")
    if error is None:
        return answer
    sentence = f"The log's server refused {name}: {error.get('description', error)}."
    raise (NotFound if error.get("err_code") == _STREAM_NOT_FOUND else Unavailable)(sentence)
