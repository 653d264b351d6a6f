"""How content travels between client and store: by gRPC, or through a folder that both see.

Everything else is the same for both: what is cut, packed, verified, indexed.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Protocol, TypeVar

from nsml_core.blobs.chunk import Buffer
from nsml_core.blobs.incoming import Incoming
from nsml_core.blobs.pack import SUFFIX
from nsml_core.blobs.remote import Remote, Upload
from nsml_core.blobs.shelf import folder_of
from nsml_core.errors import Damaged, Exhausted
from nsml_protos.blobs_pb2 import PackReceipt

T = TypeVar("T")

_LOOP_CHECK_SECONDS = 1.0


class Cancelled(Exception):
    """Somebody else failed, or the caller has gone away."""


class Bridge:
    """Lets a thread use what lives on the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def start(self, work: Coroutine[object, object, T]) -> "Future[T]":
        """Start this on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, work: Coroutine[object, object, T]) -> T:
        """Run this on the loop and wait for it; give up when the loop is no more."""
        future = self.start(work)
        while not wait([future], timeout=_LOOP_CHECK_SECONDS).done:
            if self._loop.is_closed():
                raise Cancelled
        return future.result()

    def tell(self, function: Callable[[int], None], argument: int) -> None:
        """Have the loop call this."""
        self._loop.call_soon_threadsafe(function, argument)


class OpenPack(Protocol):
    """A pack that is being written; used by one thread."""

    def write(self, buffers: Sequence[Buffer]) -> None:
        """Add these bytes."""
        ...

    def finish(self, pack: str) -> "Future[PackReceipt]":
        """Have the store take it, under this name; the result says that it is durable."""
        ...

    def discard(self) -> None:
        """Leave nothing of it behind."""
        ...


class Transport(Protocol):
    """Carries content; takes the same calls whichever way it goes."""

    def open_pack(self, bridge: Bridge) -> OpenPack:
        """Begin a pack."""
        ...

    async def fetch(self, ids: Sequence[bytes], sizes: Sequence[int]) -> bytes | bytearray:
        """Return the bytes of these blobs, one after the other; they are not verified."""
        ...


# ------------------------------------------------------------------------------------------ by gRPC


class Wire:
    """Content travels in messages."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def open_pack(self, bridge: Bridge) -> OpenPack:
        """Begin a pack."""
        return _WirePack(self._remote, bridge)

    async def fetch(self, ids: Sequence[bytes], sizes: Sequence[int]) -> bytes | bytearray:
        """Return the bytes of these blobs."""
        content = bytearray()
        with contextlib.suppress(Damaged):  # what is missing is found by its hash
            async for piece in self._remote.read(ids):
                content += piece
                if len(content) > sum(sizes):
                    break
        return content


class _WirePack:
    def __init__(self, remote: Remote, bridge: Bridge) -> None:
        self._bridge = bridge
        self._upload: Upload = bridge.call(self._begin(remote))

    @staticmethod
    async def _begin(remote: Remote) -> Upload:
        return remote.put()

    def write(self, buffers: Sequence[Buffer]) -> None:
        self._bridge.call(self._upload.write(buffers))

    def finish(self, pack: str) -> "Future[PackReceipt]":  # noqa: ARG002 - the store reads the name
        return self._bridge.start(self._upload.finish())

    def discard(self) -> None:
        self._bridge.call(self._cancel())

    async def _cancel(self) -> None:
        self._upload.cancel()


# ------------------------------------------------------------------------------- by a shared folder


class SharedFolder:
    """Content travels as files; the store adopts the packs that it finds in order."""

    def __init__(self, remote: Remote, folder: Path) -> None:
        self._remote = remote
        self._incoming = folder / "incoming"
        self._packs = folder / "packs"

    async def is_shared(self) -> bool:
        """Prove that the store sees what we write, by a file whose name nobody else knows."""
        try:
            probe = Incoming(self._incoming)
        except (OSError, Exhausted):  # not here, not ours, or full: then content travels by gRPC
            return False
        try:
            return await self._remote.probe(probe.name)
        finally:
            probe.close()

    def open_pack(self, bridge: Bridge) -> OpenPack:
        """Begin a pack."""
        return _FilePack(self._remote, bridge, self._incoming)

    async def fetch(self, ids: Sequence[bytes], sizes: Sequence[int]) -> bytes | bytearray:
        """Return the bytes of these blobs."""
        places = await self._remote.locate(ids)
        runs = _join([(*place, size) for place, size in zip(places, sizes, strict=True)])
        return await asyncio.to_thread(self._read, runs)

    def _read(self, runs: list[tuple[str, int, int]]) -> bytes | bytearray:
        content = bytearray()
        with contextlib.suppress(FileNotFoundError):  # what is missing is found by its hash
            for pack, offset, size in runs:
                with (self._packs / (pack + SUFFIX)).open("rb", buffering=0) as file:
                    content += os.pread(file.fileno(), size, offset)
        return content


def _join(extents: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """Return fewer, longer extents: neighbours in a folder are mostly neighbours in a pack."""
    joined: list[tuple[str, int, int]] = []
    for pack, offset, size in extents:
        if joined and joined[-1][0] == pack and sum(joined[-1][1:]) == offset:
            joined[-1] = (pack, joined[-1][1], joined[-1][2] + size)
        else:
            joined.append((pack, offset, size))
    return joined


class _FilePack:
    def __init__(self, remote: Remote, bridge: Bridge, folder: Path) -> None:
        self._remote, self._bridge = remote, bridge
        self._incoming = Incoming(folder)

    def write(self, buffers: Sequence[Buffer]) -> None:
        self._incoming.write(buffers)

    def finish(self, pack: str) -> "Future[PackReceipt]":
        return self._bridge.start(self._adopt(pack))

    async def _adopt(self, pack: str) -> PackReceipt:
        try:
            return await self._remote.adopt(self._incoming.name, pack)
        finally:
            self._incoming.close()

    def discard(self) -> None:
        self._incoming.close()


async def choose(remote: Remote, blobs_url: str) -> Transport:
    """Return the shared folder if there is one, and else the wire."""
    folder = folder_of(blobs_url) if blobs_url else None
    if folder is not None:
        shared = SharedFolder(remote, folder)
        if await shared.is_shared():
            return shared
    return Wire(remote)
