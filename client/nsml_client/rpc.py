"""gRPC calls on the `h2` library: what a command needs of gRPC, without grpcio's start-up time.

A call is one HTTP/2 stream: headers, a request in a frame of its own, replies in frames, and a
status in the trailers. Unary calls are streams of one reply. One connection carries one call at a
time.
"""

import random
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

from nsml_client.errors import Lost, StandsBy, error_of
from nsml_core.errors import Unavailable
from nsml_core.tls import Tls, host_of

# The numbers of gRPC's status codes are their positions.
_CODES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
    "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
    "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
_PREFIX_BYTES = 5  # one for "compressed", four for the length
_WINDOW_BYTES = 1 << 24
_READ_BYTES = 1 << 18


@dataclass
class Call:
    """One call: what is asked, and what has come of it so far."""

    path: str
    request: bytes
    metadata: Sequence[tuple[str, str]] = ()
    timeout_seconds: float | None = None
    idle_seconds: float | None = None
    """A reply of None says that nothing came for so long."""

    headers: dict[str, str] = field(default_factory=dict)
    """Of the reply, the trailers included."""

    deadline: float = float("inf")

    def limit(self, seconds: float) -> None:
        """Let it take no longer than this, from now on."""
        self.timeout_seconds = seconds
        self.deadline = time.monotonic() + seconds

    def request_headers(self) -> list[tuple[str, str]]:
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", self.path),
            (":authority", "localhost"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        ]
        if self.timeout_seconds is not None:
            headers.append(("grpc-timeout", f"{int(self.timeout_seconds * 1000)}m"))
        return [*headers, *self.metadata]


class Connection:
    """A connection to one service."""

    def __init__(self, where: "Where", timeout_seconds: float = 5) -> None:
        self._where = where
        self._heard = False
        self._socket, self._address = connect(where, timeout_seconds)
        self._events: deque[Event] = deque()
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(_WINDOW_BYTES)
        self.is_clean = True
        """Whether nothing of an earlier call may still come: then it can carry another."""

    def close(self) -> None:
        self._socket.close()

    def replies(self, call: Call) -> Iterator[bytes | None]:
        """Make a call and yield its replies; errors of the far side are raised."""
        try:
            yield from self._replies(call)
        except StandsBy:
            _standing_by.add(self._address)
            raise
        except (ProtocolError, OSError) as error:
            refusal = None if self._heard else self._where.refusal(error)
            raise refusal or Lost(f"The connection broke during the call: {error}.") from error

    def _replies(self, call: Call) -> Iterator[bytes | None]:
        self.is_clean = False
        stream = self._h2.get_next_available_stream_id()
        self._h2.send_headers(stream, call.request_headers())
        self._h2.increment_flow_control_window(_WINDOW_BYTES, stream)
        self._send(stream, call)
        buffer = bytearray()
        while True:
            event = self._next_event(call)
            match event:
                case None:
                    yield None
                case ResponseReceived() | TrailersReceived():
                    call.headers.update(dict(event.headers or ()))  # type: ignore[arg-type]
                case DataReceived():
                    self._h2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
                    buffer += event.data or b""
                    yield from _messages(buffer)
                case StreamEnded():
                    self.is_clean = True
                    _check(call.headers)
                    return
                case StreamReset() | ConnectionTerminated():
                    raise Lost("The service ended the call early.")
                case _:  # settings, pings, window updates: h2 has answered them
                    pass

    def _send(self, stream: int, call: Call) -> None:
        rest = memoryview(b"\0" + len(call.request).to_bytes(4, "big") + call.request)
        while rest:
            room = self._h2.local_flow_control_window(stream)
            if room == 0:
                self._receive(call)
                continue
            size = min(room, self._h2.max_outbound_frame_size, len(rest))
            self._h2.send_data(stream, bytes(rest[:size]), end_stream=size == len(rest))
            rest = rest[size:]
        self._flush()

    def _next_event(self, call: Call) -> Event | None:
        while not self._events:
            if not self._receive(call):
                return None
        return self._events.popleft()

    def _receive(self, call: Call) -> bool:
        """Read what there is; False if nothing came within the call's idle time."""
        self._flush()
        left = call.deadline - time.monotonic()
        wait = min(left, call.idle_seconds or left)
        if left <= 0:
            raise Unavailable(f"There was no answer within {call.timeout_seconds:g} seconds.")
        self._socket.settimeout(None if wait == float("inf") else wait)
        try:
            data = self._socket.recv(_READ_BYTES)
        except TimeoutError:
            return call.idle_seconds is None
        if not data:
            raise ConnectionResetError("the service has closed it")
        events = self._h2.receive_data(data)
        self._heard = True
        self._events.extend(events)
        return True

    def _flush(self) -> None:
        self._socket.sendall(self._h2.data_to_send())


@dataclass(frozen=True)
class Where:
    """Where a service is, and how it is spoken to."""

    service: str
    address: str
    """`unix:PATH`, or `HOST:PORT` with or without `dns:` before it, or several with commas."""

    secured: Tls | None = None

    def refusal(self, error: Exception) -> Unavailable | None:
        """Return what is wrong when the other end was never heard, if TLS may be why."""
        if self.address.startswith("unix:"):
            return None
        if self.secured is None:
            return Lost(
                f"The {self.service} service at {self.address} ended the connection at once: if it "
                "speaks TLS, set NSML_TLS_CA to the platform's CA."
            )
        from nsml_core import secure  # `ssl` takes a while to import

        if isinstance(error, secure.SSLError):
            return secure.refusal(self.service, self.address, self.secured, error)
        if self.secured.cert is None and isinstance(error, ConnectionError):
            return Lost(
                f"The {self.service} service at {self.address} ended the connection at once: if it "
                "wants to see a certificate, set NSML_TLS_CERT and NSML_TLS_KEY to yours."
            )
        return None


_standing_by: set[str] = set()
"""Replicas that do not serve; they are asked last."""


def connect(where: Where, timeout_seconds: float) -> tuple[socket.socket, str]:
    """Connect to a service, of several replicas to any that answers; return to which."""
    addresses = where.address.split(",")
    random.shuffle(addresses)
    addresses.sort(key=lambda address: address in _standing_by)
    for address in addresses[:-1]:
        try:
            return _connect(where, address, timeout_seconds), address
        except (OSError, Unavailable):  # a proxy of its port may take the call that it does not
            continue
    return _connect(where, addresses[-1], timeout_seconds), addresses[-1]


def _connect(where: Where, address: str, timeout_seconds: float) -> socket.socket:
    kind, _, rest = address.partition(":")
    if kind == "unix":
        opened = socket.socket(socket.AF_UNIX)
        opened.settimeout(timeout_seconds)
        try:
            opened.connect(rest.removeprefix("//"))
        except OSError:
            opened.close()
            raise
        return opened
    port = int(address.rpartition(":")[2])
    opened = socket.create_connection((host_of(address), port), timeout_seconds)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened if where.secured is None else _secured(where, where.secured, opened)


def _secured(where: Where, secured: Tls, opened: socket.socket) -> socket.socket:
    from nsml_core import secure

    context = secure.context(secured)
    context.set_alpn_protocols(["h2"])
    try:
        return context.wrap_socket(opened, server_hostname=secured.expected(where.address))
    except (secure.SSLError, ConnectionError) as error:
        opened.close()
        raise secure.refusal(where.service, where.address, secured, error) from error


def _messages(buffer: bytearray) -> Iterator[bytes]:
    """Take the complete messages off the front of the buffer."""
    while len(buffer) >= _PREFIX_BYTES:
        end = _PREFIX_BYTES + int.from_bytes(buffer[1:_PREFIX_BYTES], "big")
        if len(buffer) < end:
            return
        message = bytes(buffer[_PREFIX_BYTES:end])
        del buffer[:end]
        yield message


def _check(headers: dict[str, str]) -> None:
    status = headers.get("grpc-status", "")
    if status == "0":
        return
    if not status.isdigit():
        raise Lost(f"What answered is no gRPC service (HTTP status {headers.get(':status')}).")
    number = int(status)
    code = _CODES[number] if number < len(_CODES) else "UNKNOWN"
    raise error_of(code, unquote(headers.get("grpc-message", "")), headers)
