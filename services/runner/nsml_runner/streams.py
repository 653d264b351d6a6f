"""The streams of a Docker Engine: sockets that outlive the answer, and output cut into frames."""

import os
import socket
from collections.abc import Iterator
from typing import Any


def plain(wrapped: Any) -> socket.socket:
    """Return the socket itself, which stays open without the answer that brought it."""
    found: socket.socket = getattr(wrapped, "_sock", wrapped)
    plain = socket.socket(fileno=os.dup(found.fileno()))
    wrapped.close()
    found.close()
    plain.settimeout(None)
    return plain


def frames(stream: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Yield output as it comes: which stream it is of (1 or 2), and a piece of it."""
    with stream.makefile("rb") as file:
        while head := file.read(8):
            left = int.from_bytes(head[4:], "big")
            while left and (piece := file.read1(left)):
                left -= len(piece)
                yield head[0], piece
