"""The gRPC face of the blob store.

Who may call is said in blobs.proto. A blob's name is the key to it: whoever knows it may read it,
and nobody lists them; but for the roots of what competitions hide.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from nsml_core.blobs.chunk import ID_BYTES, split_ids
from nsml_core.blobs.incoming import Incoming
from nsml_core.blobs.remote import pieces
from nsml_core.blobs.store import Receipt, Store
from nsml_core.blobs.tree import parse_tree_id
from nsml_core.errors import Exhausted, Invalid
from nsml_dataset.hidden import Hidden
from nsml_protos import blobs_pb2, blobs_pb2_grpc

T = TypeVar("T")

_IDS_MAX = 64 << 10
_WRITE_BYTES = 4 << 20
_THREADS = 4


class Blobs(blobs_pb2_grpc.BlobsServicer):
    """Keeps the store's blocking work off the event loop."""

    def __init__(self, store: Store, hidden: Hidden | None = None) -> None:
        """Serve a store; where it belongs to no datasets, nothing of it is hidden."""
        self._store = store
        self._hidden = hidden
        self._threads = ThreadPoolExecutor(_THREADS, "blobs")

    async def Probe(self, request: blobs_pb2.ProbeRequest, context: Any) -> blobs_pb2.ProbeReply:
        shared = await self._do(self._store.is_incoming, request.name)
        return blobs_pb2.ProbeReply(shared=shared)

    async def Missing(self, request: blobs_pb2.BlobIds, context: Any) -> blobs_pb2.BlobIds:
        ids = _ids(request)
        missing = {*await self._do(self._store.missing, ids), *await self._hidden_of(ids)}
        return blobs_pb2.BlobIds(ids=b"".join(one for one in ids if one in missing))

    async def PutPack(
        self,
        request_iterator: AsyncIterator[blobs_pb2.Piece],
        context: Any,
    ) -> blobs_pb2.PackReceipt:
        async with self._incoming() as incoming:
            failure = await self._fill(incoming, request_iterator)
            if failure:
                raise failure
            return await self._taken(await self._do(self._store.adopt, incoming.name))

    @asynccontextmanager
    async def _incoming(self) -> AsyncIterator[Incoming]:
        """Yield a file that is closed before the answer, also if the call is cancelled."""
        opening = self._threads.submit(self._store.receive)
        try:
            yield await asyncio.wrap_future(opening)
        finally:  # a thread does it: only the wait for it can be cancelled
            closing = self._threads.submit(lambda: opening.result().close())
            await asyncio.shield(asyncio.wrap_future(closing))

    async def _fill(
        self, incoming: Incoming, sent: AsyncIterator[blobs_pb2.Piece]
    ) -> Exhausted | None:
        """Write what comes; when the disk is full, still listen: only then does the caller."""
        failure = None
        gathered, size = [], 0
        async for piece in sent:
            gathered.append(piece.data)
            size += len(piece.data)
            if size >= _WRITE_BYTES:
                failure = failure or await self._write(incoming, gathered)
                gathered, size = [], 0
        return failure or await self._write(incoming, gathered)

    async def _write(self, incoming: Incoming, gathered: list[bytes]) -> Exhausted | None:
        try:
            await self._do(incoming.write, gathered)
        except Exhausted as failure:
            return failure
        return None

    async def AdoptPack(
        self,
        request: blobs_pb2.AdoptPackRequest,
        context: Any,
    ) -> blobs_pb2.PackReceipt:
        return await self._taken(await self._do(self._store.adopt, request.name, request.pack))

    async def Read(
        self,
        request: blobs_pb2.BlobIds,
        context: Any,
    ) -> AsyncIterator[blobs_pb2.Piece]:
        ids = _ids(request)
        await self._check(ids)
        content = pieces(self._store.read(ids))
        while data := await self._do(next, content, b""):
            yield blobs_pb2.Piece(data=data)

    async def Locate(self, request: blobs_pb2.BlobIds, context: Any) -> blobs_pb2.Locations:
        ids = _ids(request)
        await self._check(ids)
        extents = await self._do(self._store.locate, ids)
        packs = {pack: at for at, pack in enumerate(dict.fromkeys(e.pack for e in extents))}
        return blobs_pb2.Locations(
            pack=packs,
            pack_of=[packs[extent.pack] for extent in extents],
            offset=[extent.offset for extent in extents],
        )

    async def Commit(self, request: blobs_pb2.TreeRef, context: Any) -> blobs_pb2.TreeSummary:
        await self._check([parse_tree_id(request.id)])
        tree = await self._do(self._store.commit, request.id)
        return blobs_pb2.TreeSummary(id=tree.id, files=tree.files, bytes=tree.bytes)

    async def _hidden_of(self, ids: list[bytes]) -> set[bytes]:
        return await self._hidden.among(ids) if self._hidden else set()

    async def _check(self, ids: list[bytes]) -> None:
        if self._hidden:
            await self._hidden.check(ids)

    async def _taken(self, receipt: Receipt) -> blobs_pb2.PackReceipt:
        if self._hidden and receipt.pack:
            await self._hidden.prove(receipt.pack.ids)
        return blobs_pb2.PackReceipt(blobs=receipt.blobs, bytes=receipt.bytes)

    async def _do(self, work: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)


def _ids(request: blobs_pb2.BlobIds) -> list[bytes]:
    if len(request.ids) % ID_BYTES or len(request.ids) > _IDS_MAX * ID_BYTES:
        raise Invalid(f"Ask for at most {_IDS_MAX} blobs at once, by {ID_BYTES} bytes each.")
    return split_ids(request.ids)
