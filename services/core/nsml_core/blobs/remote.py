"""The store as its callers see it: the `Blobs` service, with our errors instead of gRPC's."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager

import grpc
from grpc import aio

from nsml_core.blobs.chunk import Buffer, split_ids
from nsml_core.errors import Unavailable
from nsml_core.status import from_grpc
from nsml_protos import blobs_pb2, blobs_pb2_grpc

PIECE_BYTES = 512 << 10
"""How content travels; between 256 KiB and 1 MiB the size hardly matters."""

_IDS_AT_ONCE = 32 << 10  # 1 MiB a message

_DISK_SECONDS = 120.0
"""For calls that read or sync much: a slow disk is no reason to give up."""


class Remote:
    """The calls of one client."""

    def __init__(self, channel: aio.Channel) -> None:
        self._stub = blobs_pb2_grpc.BlobsStub(channel)

    async def probe(self, name: str) -> bool:
        """Return whether the store sees the file that was left for it."""
        with _our_errors():
            request = blobs_pb2.ProbeRequest(name=name)
            reply = await self._stub.Probe(request)
        return reply.shared

    async def missing(self, ids: Sequence[bytes]) -> set[bytes]:
        """Return which of these blobs are not stored."""
        missing: set[bytes] = set()
        for at in range(0, len(ids), _IDS_AT_ONCE):
            request = blobs_pb2.BlobIds(ids=b"".join(ids[at : at + _IDS_AT_ONCE]))
            with _our_errors():
                reply = await self._stub.Missing(request)
            missing.update(split_ids(reply.ids))
        return missing

    async def adopt(self, name: str, pack: str) -> blobs_pb2.PackReceipt:
        """Have the store take over a pack from the shared folder."""
        with _our_errors():
            request = blobs_pb2.AdoptPackRequest(name=name, pack=pack)
            return await self._stub.AdoptPack(request, timeout=_DISK_SECONDS)

    def put(self) -> "Upload":
        """Begin to send a pack."""
        return Upload(self._stub.PutPack())

    async def read(self, ids: Sequence[bytes]) -> AsyncIterator[bytes]:
        """Yield the bytes of these blobs, in pieces that know nothing of the blobs' borders."""
        request = blobs_pb2.BlobIds(ids=b"".join(ids))
        with _our_errors():
            async for piece in self._stub.Read(request):
                yield piece.data

    async def locate(self, ids: Sequence[bytes]) -> Iterator[tuple[str, int]]:
        """Return the pack and offset of each of these blobs."""
        with _our_errors():
            request = blobs_pb2.BlobIds(ids=b"".join(ids))
            reply = await self._stub.Locate(request)
        packs = [reply.pack[number] for number in reply.pack_of]
        return zip(packs, reply.offset, strict=True)

    async def commit(self, tree_id: str) -> blobs_pb2.TreeSummary:
        """Return what the store knows of a tree that is whole."""
        with _our_errors():
            request = blobs_pb2.TreeRef(id=tree_id)
            return await self._stub.Commit(request, timeout=_DISK_SECONDS)


class Upload:
    """One pack on its way."""

    def __init__(self, call: "aio.StreamUnaryCall[blobs_pb2.Piece, blobs_pb2.PackReceipt]") -> None:
        self._call = call

    async def write(self, buffers: Iterable[Buffer]) -> None:
        """Send these bytes."""
        for data in pieces(buffers):
            try:
                await self._call.write(blobs_pb2.Piece(data=data))
            except (aio.AioRpcError, asyncio.InvalidStateError):
                raise Unavailable(
                    "The connection to the store broke: push again; "
                    "what is stored already is not sent again."
                ) from None

    async def finish(self) -> blobs_pb2.PackReceipt:
        """Return what the store made of the pack."""
        with _our_errors():
            await self._call.done_writing()
            return await self._call

    def cancel(self) -> None:
        """Give up."""
        self._call.cancel()


def pieces(buffers: Iterable[Buffer]) -> Iterator[bytes]:
    """Yield the same bytes in pieces of about one size."""
    gathered: list[Buffer] = []
    size = 0
    for buffer in buffers:
        for at in range(0, len(buffer), PIECE_BYTES):
            gathered.append(memoryview(buffer)[at : at + PIECE_BYTES])
            size += len(gathered[-1])
            if size >= PIECE_BYTES:
                yield b"".join(gathered)
                gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)


@contextmanager
def _our_errors() -> Iterator[None]:
    try:
        yield
    except grpc.RpcError as error:
        raise from_grpc(error) from None
