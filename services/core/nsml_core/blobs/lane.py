"""One lane of a push: a thread that reads files, names their blobs, and packs what is missing.

A lane holds one arena of memory. Files are read into it, blobs are views of it, and when it is
full the store is asked which of them are missing: those go into the open pack, and the arena
starts anew. So a file is read once, and memory does not grow with its size.
"""

import errno
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from typing import NamedTuple

from nsml_core.blobs import pack as packs
from nsml_core.blobs.chunk import BLOB_BYTES_MAX, Buffer, blob_id, cut
from nsml_core.blobs.remote import Remote
from nsml_core.blobs.scan import Found, Signature, changed
from nsml_core.blobs.stat_cache import now_ns
from nsml_core.blobs.transport import Bridge, Cancelled, OpenPack, Transport
from nsml_core.blobs.tree import Content
from nsml_core.errors import Refused
from nsml_protos.blobs_pb2 import PackReceipt

_NOT_THAT_FILE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO}
_ARENA_BYTES = 16 << 20
_READ_BYTES = 8 << 20
_WORTH_A_PACK = 4 << 20


class Known(NamedTuple):
    """What was learnt of a file, and when reading it began."""

    found: Found
    content: Content
    began_ns: int


class Packer:
    """Puts into packs what the store lacks; used by one thread."""

    def __init__(
        self, remote: Remote, transport: Transport, bridge: Bridge, claims: "Claims"
    ) -> None:
        self._remote, self._transport, self._bridge = remote, transport, bridge
        self._claims = claims
        self._open: OpenPack | None = None
        self._ids: list[bytes] = []
        self._sizes: list[int] = []
        self._taken: list[Future[PackReceipt]] = []

    def add(self, blobs: Sequence[tuple[bytes, Buffer]]) -> None:
        """Store those of these blobs that are missing."""
        claimed = self._claims.take(blobs)
        if not claimed:
            return
        missing = self._bridge.call(self._remote.missing(list(claimed)))
        wanted = {identity: claimed[identity] for identity in claimed if identity in missing}
        if wanted:
            self._write(wanted)

    def close(self, *, above: int = 0) -> None:
        """Hand over the open pack if it is larger than this; returns before it is durable."""
        if self._open is None or sum(self._sizes) <= above:
            return
        if self._taken:
            self._taken[-1].result()  # the disk sets the pace: one pack on its way, one open
        name, footer = packs.seal(self._ids, self._sizes)
        self._open.write([footer])
        pack, self._open = self._open, None
        self._ids, self._sizes = [], []
        self._taken.append(pack.finish(name))

    def stored(self) -> int:
        """Wait until all packs are durable, and return what they occupy."""
        return sum(receipt.result().bytes for receipt in self._taken)

    def discard(self) -> None:
        """Leave nothing behind: no open pack, and none that is still on its way."""
        if self._open is not None:
            self._open.discard()
            self._open = None
        wait(self._taken)

    def _write(self, blobs: dict[bytes, Buffer]) -> None:
        if self._open is None:
            self._open = self._transport.open_pack(self._bridge)
        self._open.write(list(blobs.values()))
        self._ids.extend(blobs)
        self._sizes.extend(map(len, blobs.values()))
        if sum(self._sizes) >= packs.PACK_BYTES:
            self.close()


class Claims:
    """Which blobs some lane of this push has taken on, so that none is sent twice."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: set[bytes] = set()

    def take(self, blobs: Sequence[tuple[bytes, Buffer]]) -> dict[bytes, Buffer]:
        """Return those of these blobs that nobody had taken on, and take them on."""
        with self._lock:
            fresh = {identity: data for identity, data in blobs if identity not in self._taken}
            self._taken.update(fresh)
        return fresh


class Lane:
    """Reads files into blobs; `learnt` is told what each consists of, once its blobs are packed."""

    def __init__(
        self, folder: Path, packer: Packer, learnt: Callable[[list[Known], int], None]
    ) -> None:
        self._folder, self._packer, self._learnt = folder, packer, learnt
        self._arena = memoryview(bytearray(_ARENA_BYTES))
        self._filled = 0
        self._blobs: list[tuple[bytes, Buffer]] = []
        self._known: list[Known] = []

    def run(self, batches: deque[list[Found]], stop: threading.Event) -> None:
        """Read what there is to take, until there is nothing more."""
        while batches:
            try:
                batch = batches.popleft()
            except IndexError:  # another lane was faster
                break
            for found in batch:
                self._read(found, stop)
        self._flush(self._filled)
        self._packer.close(above=_WORTH_A_PACK)  # less goes with the manifest

    def _read(self, found: Found, stop: threading.Event) -> None:
        began = now_ns()
        descriptor = _open(self._folder, found)
        try:
            content = self._cut(descriptor, found, stop)
            _check_unchanged(descriptor, found)
        finally:
            os.close(descriptor)
        self._known.append(Known(found, content, began))

    def _cut(self, descriptor: int, found: Found, stop: threading.Event) -> Content:
        size = found.signature.size
        ids: list[bytes] = []
        sizes: list[int] = []
        start, offset = self._filled, 0
        while offset < size:
            if stop.is_set():
                raise Cancelled
            asked = min(size - offset, _READ_BYTES)
            if len(self._arena) - self._filled < asked:
                start = self._flush(start)
            got = os.preadv(descriptor, [self._arena[self._filled : self._filled + asked]], offset)
            if got == 0:
                raise changed(found.path)
            self._filled += got
            offset += got
            for length in cut(self._arena[start : self._filled], is_end=offset == size):
                blob = self._arena[start : start + length]
                ids.append(blob_id(blob))
                sizes.append(length)
                self._blobs.append((ids[-1], blob))
                start += length
        return Content(b"".join(ids), tuple(sizes))

    def _flush(self, keep: int) -> int:
        """Pack the arena's blobs, move what is not cut yet to its start, and return that start."""
        self._packer.add(self._blobs)
        packed = sum(len(blob) for _, blob in self._blobs)
        self._learnt(self._known, packed)
        self._blobs, self._known = [], []
        left = self._filled - keep
        self._arena[:left] = self._arena[keep : self._filled]
        self._filled = left
        return 0


assert _ARENA_BYTES >= _READ_BYTES + BLOB_BYTES_MAX  # noqa: S101 - else a large file never fits


def _open(folder: Path, found: Found) -> int:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(f"{folder}/{found.path}", flags)
    except PermissionError:
        raise Refused(f"{found.path!r} cannot be read: give yourself permission to it.") from None
    except OSError as error:
        if error.errno in _NOT_THAT_FILE:
            raise changed(found.path) from None
        raise
    try:
        _check_unchanged(descriptor, found)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_unchanged(descriptor: int, found: Found) -> None:
    if Signature.of(os.fstat(descriptor)) != found.signature:
        raise changed(found.path)
