"""The runner's local socket: JSON messages, one a line."""

from __future__ import annotations

import json
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def connect(path: str, seconds: float) -> socket.socket:
    """Connect to the runner within so many seconds."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def encode(message: dict[str, Any]) -> bytes:
    """Encode one message; NaN and infinities become the tokens that Python's json reads back."""
    return json.dumps(message).encode() + b"\n"


def exchange(connection: socket.socket, message: dict[str, Any]) -> dict[str, Any]:
    """Send a message and return the answer to it."""
    connection.sendall(encode(message))
    answer = b""
    while not answer.endswith(b"\n"):
        chunk = connection.recv(65536)
        if not chunk:
            raise ConnectionResetError("the runner closed the connection")
        answer += chunk
    return dict(json.loads(answer))
