"""Packs on their way into a store: files in its incoming folder, written by it or by a client."""

import fcntl
import os
import re
import secrets
import threading
from collections.abc import Sequence
from pathlib import Path

from nsml_core.blobs import pack as packs
from nsml_core.blobs.chunk import Buffer
from nsml_core.blobs.disk import room_for
from nsml_core.errors import Invalid

_INCOMING = re.compile("[0-9a-f]{32}")
_BUFFERS_AT_ONCE = 1024  # IOV_MAX


class Incoming:
    """A file in the incoming folder; our lock on it says that it is no leftover."""

    def __init__(self, folder: Path) -> None:
        self._path = path = folder / secrets.token_hex(16)
        self._left = packs.PACK_BYTES_MAX
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._lock = threading.Lock()
        self._is_open = True
        with room_for("the store of blobs"):
            self._descriptor = os.open(path, flags, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    @property
    def name(self) -> str:
        """The name to adopt it by."""
        return self._path.name

    def write(self, buffers: Sequence[Buffer]) -> None:
        """Add these bytes."""
        self._left -= sum(map(len, buffers))
        if self._left < 0:
            raise Invalid("This pack is larger than a store accepts.")
        with self._lock, room_for("the store of blobs"):
            for at in range(0, len(buffers), _BUFFERS_AT_ONCE) if self._is_open else ():
                self._write(buffers[at : at + _BUFFERS_AT_ONCE])

    def _write(self, buffers: Sequence[Buffer]) -> None:
        written = os.writev(self._descriptor, buffers)
        if written < sum(map(len, buffers)):  # rare: a nearly full disk, or a signal
            rest = memoryview(b"".join(buffers))[written:]
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]

    def close(self) -> None:
        """Let go of it; what was not adopted is deleted. A write that comes later does nothing."""
        with self._lock:
            self._path.unlink(missing_ok=True)
            if self._is_open:
                os.close(self._descriptor)
            self._is_open = False


def incoming_name(name: str) -> str:
    """Return the name if it can be one of a file in the incoming folder."""
    if not _INCOMING.fullmatch(name):
        raise Invalid(f"{name[:80]!r} is no name of an incoming pack.")
    return name
