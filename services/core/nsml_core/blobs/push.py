"""Push a folder: find what is in it, send what the store lacks, commit the tree.

What files consisted of the last time is taken from the stat cache; the rest is read, by a few
lanes side by side. Nothing is committed unless the folder is, at the end, what it was at the
beginning.
"""

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from nsml_core.blobs import scan, tree
from nsml_core.blobs.chunk import Buffer, blob_id, split_ids
from nsml_core.blobs.lane import Claims, Known, Lane, Packer
from nsml_core.blobs.remote import Remote
from nsml_core.blobs.scan import Found, Ignore
from nsml_core.blobs.stat_cache import StatCache
from nsml_core.blobs.transport import Bridge, Cancelled, Transport
from nsml_core.blobs.tree import Content, Item, Kind, Root
from nsml_core.errors import NotFound

Progress = Callable[[int, int], None]
"""Takes the bytes that are done and those that there are; called on the event loop."""

T = TypeVar("T")

_LANES_MAX = 4
_BATCH_FILES = 256
_BATCH_BYTES = 4 << 20
_PAGES_AT_ONCE = 64


@dataclass(frozen=True)
class Pushed:
    """What a push came to."""

    root: Root
    stored_bytes: int


@dataclass
class Push:
    """One push of one folder."""

    remote: Remote
    transport: Transport
    folder: Path
    ignore: Ignore | None = None
    progress: Progress | None = None
    stat_cache: StatCache | None = None
    check: Callable[[Sequence[Found]], None] | None = None
    _contents: dict[str, Content] = field(default_factory=dict)
    _done: int = 0
    _total: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _bridge: Bridge = field(init=False)

    def __post_init__(self) -> None:
        """Bind to the running event loop."""
        self._bridge = Bridge(asyncio.get_running_loop())

    async def run(self) -> Pushed:
        """Push."""
        found = await asyncio.to_thread(self._look)
        unread = [item for item in found if _is_file(item) and item.path not in self._contents]
        if not unread and (pushed := await self._unchanged(found)):
            return pushed
        unread += await self._lost(found)
        self._advance(self._total - sum(map(_size, unread)))
        pushed = await self._send(found, unread)
        await self.remote.commit(pushed.root.id)
        return pushed

    async def _unchanged(self, found: Sequence[Found]) -> Pushed | None:
        """Return the tree if the store has all of it, as is likely when nothing is to be read."""
        root = await asyncio.to_thread(self._manifest, found, blob_id)
        try:
            await self.remote.commit(root.id)
        except NotFound:
            return None
        self._advance(self._total)
        return Pushed(root, 0)

    # ------------------------------------------------------------------------------- what is there

    def _look(self) -> list[Found]:
        found = scan.walk(self.folder, self.ignore)
        if self.check is not None:
            self.check(found)
        self._total = sum(map(_size, found))
        if self.stat_cache is not None:
            self._recall(self.stat_cache, found)
        return found

    def _recall(self, cache: StatCache, found: Sequence[Found]) -> None:
        known = cache.load(self.folder)
        for item in found:
            signature, content = known.pop(item.path, (None, tree.EMPTY))
            if signature == item.signature:
                self._contents[item.path] = content
        if known:
            cache.forget(self.folder, known)

    async def _lost(self, found: Sequence[Found]) -> list[Found]:
        """Return the files that need not be read to be named, but whose blobs the store lacks."""
        blobs = {blob for content in self._contents.values() for blob in split_ids(content.ids)}
        missing = await self.remote.missing(list(blobs))
        if not missing:
            return []
        return [
            item
            for item in found
            if item.path in self._contents
            and not missing.isdisjoint(split_ids(self._contents[item.path].ids))
        ]

    # ------------------------------------------------------------------------------- what is sent

    async def _send(self, found: list[Found], unread: list[Found]) -> Pushed:
        """Send what the store lacks of these files, and the manifest."""
        batches = _batches(unread)
        lanes = min(_LANES_MAX, max(2, os.cpu_count() or 1), len(batches))
        claims = Claims()
        packers = [
            Packer(self.remote, self.transport, self._bridge, claims) for _ in range(max(1, lanes))
        ]
        threads = ThreadPoolExecutor(len(packers), "push")
        try:
            readers = [Lane(self.folder, packer, self._learnt) for packer in packers[:lanes]]
            await self._all([threads.submit(lane.run, batches, self._stop) for lane in readers])
            (root,) = await self._all([threads.submit(self._finish, packers[0], found)])
            await self._all([threads.submit(packer.close) for packer in packers])
            stored = await self._all([threads.submit(packer.stored) for packer in packers])
        finally:
            await asyncio.wait([_wrap(threads.submit(packer.discard)) for packer in packers])
            threads.shutdown(wait=False)
        return Pushed(root, sum(stored))

    async def _all(self, work: "Sequence[Future[T]]") -> list[T]:
        """Wait for all; if one fails or we are cancelled, stop the others and wait for them too."""
        futures = [_wrap(one) for one in work]
        if not futures:
            return []
        try:
            await asyncio.wait(futures, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            if not all(future.done() for future in futures):
                self._stop.set()
                await asyncio.wait(futures)
            done = [future for future in futures if future.done()]
            errors = [error for future in done if (error := future.exception())]
        for error in sorted(errors, key=lambda error: isinstance(error, Cancelled)):
            raise error
        return [future.result() for future in futures]

    def _finish(self, packer: Packer, found: list[Found]) -> Root:
        """Check that nothing has changed meanwhile, then pack the manifest."""
        again = scan.walk(self.folder, self.ignore)
        if again != found:
            raise scan.changed(_first_difference(found, again))
        gathered: list[tuple[bytes, Buffer]] = []

        def put(content: bytes) -> bytes:
            gathered.append((blob_id(content), content))
            if len(gathered) == _PAGES_AT_ONCE:
                packer.add(gathered)
                gathered.clear()
            return blob_id(content)

        root = self._manifest(found, put)
        packer.add(gathered)
        return root

    def _manifest(self, found: Iterable[Found], put: tree.Put) -> Root:
        items = (
            Item(item.path, item.kind, self._contents.get(item.path, tree.EMPTY), item.target)
            for item in found
        )
        return tree.write(items, put)

    # -------------------------------------------------------------------------------- what is done

    def _learnt(self, known: list[Known], size: int) -> None:
        """Note what a lane has packed; called by its thread."""
        for item in known:
            self._contents[item.found.path] = item.content
        if self.stat_cache is not None:
            self.stat_cache.save(self.folder, known)
        self._bridge.tell(self._advance, size)

    def _advance(self, size: int) -> None:
        self._done += size
        if self.progress is not None:
            self.progress(self._done, self._total)


def _batches(files: Iterable[Found]) -> "deque[list[Found]]":
    """Return the files in the portions that a lane takes: large ones alone, small ones together."""
    batches: deque[list[Found]] = deque()
    size = _BATCH_BYTES
    for item in files:
        if size >= _BATCH_BYTES or len(batches[-1]) == _BATCH_FILES:
            batches.append([])
            size = 0
        batches[-1].append(item)
        size += item.signature.size
    return batches


def _first_difference(before: Sequence[Found], after: Sequence[Found]) -> str:
    """Return the first path that is not in both as it was."""
    return min((item.path for item in set(before) ^ set(after)), key=tree.order)


def _is_file(item: Found) -> bool:
    return item.kind in (Kind.FILE, Kind.EXECUTABLE)


def _size(item: Found) -> int:
    return item.signature.size if _is_file(item) else 0


def _wrap(future: "Future[T]") -> "asyncio.Future[T]":
    return asyncio.wrap_future(future)
