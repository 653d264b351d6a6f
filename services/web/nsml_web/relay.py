"""A request passed on to a process of ours that listens on a Unix socket, and its answer."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h11
from starlette.requests import Request
from starlette.responses import Response

from nsml_core.errors import Unavailable

_PASSED_ON = ("accept", "accept-encoding", "content-type", "content-length")
"""What the process is told of a request: nothing of who asks."""

_BROUGHT_BACK = ("content-type", "content-encoding")
_CHUNK = 1 << 16


async def relay(request: Request, socket: Path, headers: Mapping[str, str]) -> Response:
    """Have a process answer; what it says of policies is replaced by these headers.

    Raises:
        Unavailable: It does not answer.
    """
    body = await request.body()
    try:
        reader, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        raise Unavailable("It is not there yet, or no more: load the page again.") from None
    connection = h11.Connection(h11.CLIENT)
    try:
        writer.write(b"".join(_sent(connection, request, body)))
        status, found, parts = await _read(connection, reader)
    except (h11.RemoteProtocolError, OSError):
        raise Unavailable("It broke off its answer: load the page again.") from None
    finally:
        writer.close()
    kept = {name: found[name] for name in _BROUGHT_BACK if name in found}
    return Response(b"".join(parts), status, headers={**kept, **headers})


def _sent(connection: h11.Connection, request: Request, body: bytes) -> Iterator[bytes]:
    target = request.scope["raw_path"] + (b"?" + request.scope["query_string"])
    known = [(name, request.headers[name]) for name in _PASSED_ON if name in request.headers]
    head = h11.Request(
        method=request.method,
        target=target.rstrip(b"?"),
        headers=[("host", "nsml"), ("connection", "close"), *known],
    )
    events: list[Any] = [head, *([h11.Data(data=body)] if body else []), h11.EndOfMessage()]
    for event in events:
        yield connection.send(event) or b""


async def _read(
    connection: h11.Connection, reader: asyncio.StreamReader
) -> tuple[int, dict[str, str], list[bytes]]:
    status, headers, parts = 0, {}, []
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Response):
            status = event.status_code
            headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
        elif isinstance(event, h11.Data):
            parts.append(bytes(event.data))
        else:
            return status, headers, parts
