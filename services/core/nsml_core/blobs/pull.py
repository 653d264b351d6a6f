"""Pull a tree into a folder: read its manifest, fetch its blobs, verify each, write the files.

Everything is written beside the target and moved there when it is whole, so that a pull that
breaks leaves nothing.
"""

import asyncio
import errno
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar

from nsml_core.blobs import copies, tree
from nsml_core.blobs.chunk import ID_BYTES, blob_id
from nsml_core.blobs.disk import room_for
from nsml_core.blobs.remote import Remote
from nsml_core.blobs.transport import Transport
from nsml_core.blobs.tree import AnyKind, Content, Item, Kind, Root
from nsml_core.errors import Damaged, Refused

P = ParamSpec("P")
T = TypeVar("T")

_PORTION_BYTES = 16 << 20
_PORTION_FILES = 512
_PORTIONS_MAX = 4
_PART_BLOBS = 8  # of a large file: 10 MiB in the mean, 32 at most
_PAGES_AT_ONCE = 32


class Part(NamedTuple):
    """What one portion writes of one file."""

    path: str
    kind: AnyKind
    offset: int
    content: Content
    is_whole: bool


async def read_root(remote: Remote, tree_id: str) -> Root:
    """Return the verified root of a tree that is whole."""
    identity = tree.parse_tree_id(tree_id)
    await remote.commit(tree_id)  # says in its own words what is missing
    content = b"".join([piece async for piece in remote.read([identity])])
    if blob_id(content) != identity:
        raise Damaged(f"The manifest of tree {tree_id[:12]} is damaged in the store.")
    return tree.read_root(tree_id, content)


async def read_items(remote: Remote, root: Root) -> AsyncIterator[list[Item]]:
    """Yield the verified lines of a manifest, many at a time; a file may go on in the next list."""
    reader = tree.Reader(root)
    for at in range(0, len(root.page_ids), _PAGES_AT_ONCE):
        ids = root.page_ids[at : at + _PAGES_AT_ONCE]
        sizes = root.page_sizes[at : at + _PAGES_AT_ONCE]
        content = b"".join([piece async for piece in remote.read(ids)])
        items: list[Item] = []
        for identity, size in zip(ids, sizes, strict=True):
            page, content = content[:size], content[size:]
            if blob_id(page) != identity:
                raise Damaged(f"The manifest of tree {root.id[:12]} is damaged in the store.")
            items.extend(reader.read_page(page))
        yield items
    reader.finish()


@dataclass
class Pull:
    """One pull into one folder, which is not there yet or empty."""

    remote: Remote
    transport: Transport
    target: Path
    read_only: bool = False
    link_from: Path | None = None
    progress: Callable[[int, int], None] | None = None
    _done: int = 0
    _total: int = 0
    _partial: Path = field(init=False)
    _folders: set[str] = field(default_factory=set)
    _last: list[Item] = field(default_factory=list)

    async def run(self, tree_id: str) -> Root:
        """Pull."""
        root = await read_root(self.remote, tree_id)
        self._total = root.size
        with room_for(str(self.target)):
            self._check_target()
            try:
                await self._write_all(root)
                await _in_thread(self._end)
                self._advance(self._total - self._done)  # what was linked
            except BaseException:
                await asyncio.to_thread(copies.remove, self._partial)
                raise
        return root

    def __post_init__(self) -> None:
        """Choose where to write until all is there."""
        name = f".{self.target.name}.{secrets.token_hex(4)}.partial"
        self._partial = self.target.absolute().parent / name

    def _check_target(self) -> None:
        target = self.target
        if target.is_symlink() or (target.exists() and not target.is_dir()):
            raise Refused(f"{target} is in the way: name a folder that is not there yet.")
        if target.is_dir() and any(target.iterdir()):
            raise Refused(f"{target} is not empty: name a folder that is not there yet.")

    async def _write_all(self, root: Root) -> None:
        """Write portions, a few at a time."""
        await _in_thread(self._make_folder, "")
        writing: set[asyncio.Task[None]] = set()
        try:
            async for portion in self._portions(root):
                writing.add(asyncio.create_task(self._write_portion(portion)))
                if len(writing) >= _PORTIONS_MAX:
                    done, writing = await asyncio.wait(writing, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
            await asyncio.gather(*writing)
        finally:
            for task in writing:
                task.cancel()
            await asyncio.gather(*writing, return_exceptions=True)

    async def _portions(self, root: Root) -> AsyncIterator[list[Part]]:
        portion: list[Part] = []
        size = 0
        async for items in _whole_files(read_items(self.remote, root)):
            for part in await _in_thread(self._to_fetch, items):
                portion.append(part)
                size += sum(part.content.sizes)
                if size >= _PORTION_BYTES or len(portion) >= _PORTION_FILES:
                    yield portion
                    portion, size = [], 0
        if portion:
            yield portion

    def _to_fetch(self, items: Sequence[Item]) -> list[Part]:
        """Make what needs no content, and return the parts of what does."""
        parts: list[Part] = []
        for item in items:
            match item.kind:
                case Kind.DIRECTORY:
                    self._make_folder(item.path)
                case Kind.LINK:  # made when all else is there: nothing is ever written through one
                    self._last.append(item)
                case _ if not self._link(item):
                    parts.extend(_parts(item))
                    if not parts[-1].is_whole:
                        self._last.append(item)
        return parts

    async def _write_portion(self, portion: list[Part]) -> None:
        ids = [identity for part in portion for identity, _ in part.content.extents()]
        sizes = [size for part in portion for size in part.content.sizes]
        content = await self.transport.fetch(ids, sizes) if ids else b""
        await _in_thread(self._write, portion, memoryview(content))
        self._advance(len(content))

    def _write(self, portion: list[Part], content: memoryview) -> None:
        for part in portion:
            size = sum(part.content.sizes)
            _verify(part, content)
            self._write_part(part, content[:size])
            content = content[size:]

    def _write_part(self, part: Part, content: memoryview) -> None:
        self._make_folder(part.path.rpartition("/")[0])
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(f"{self._partial}/{part.path}", flags, _mode(part.kind))
        try:
            offset = part.offset
            while content:
                written = os.pwrite(descriptor, content, offset)
                content, offset = content[written:], offset + written
            if self.read_only and part.is_whole:
                copies.settle(descriptor, is_executable=part.kind == Kind.EXECUTABLE)
        finally:
            os.close(descriptor)

    def _make_folder(self, path: str) -> None:
        if path not in self._folders:
            os.makedirs(f"{self._partial}/{path}", exist_ok=True)  # noqa: PTH103 - once a file
            self._folders.add(path)

    def _link(self, item: Item) -> bool:
        """Take a file from a read-only copy of the same tree on this disk, if that is possible."""
        if self.link_from is None:
            return False
        self._make_folder(item.path.rpartition("/")[0])
        return copies.take(
            f"{self.link_from}/{item.path}",
            f"{self._partial}/{item.path}",
            size=sum(item.content.sizes),
            mode=None if self.read_only else _mode(item.kind),
        )

    def _end(self) -> None:
        """Do what has to wait for all the rest, and move the whole to its place."""
        for item in self._last:
            path = f"{self._partial}/{item.path}"
            if item.kind == Kind.LINK:
                self._make_folder(item.path.rpartition("/")[0])
                os.symlink(item.target, path)  # noqa: PTH211 - no Path object per file
            elif self.read_only:
                copies.settle(path, is_executable=item.kind == Kind.EXECUTABLE)
        if self.read_only:
            copies.settle_folders(self._partial)
        try:
            self._partial.rename(self.target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            raise Refused(f"{self.target} was filled by somebody else meanwhile.") from None

    def _advance(self, size: int) -> None:
        self._done += size
        if self.progress is not None:
            self.progress(self._done, self._total)


async def _in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run this in a thread; if we are cancelled, wait for its end: what it made is then removed."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    finally:
        await asyncio.wait([running])


async def _whole_files(pages: AsyncIterator[list[Item]]) -> AsyncIterator[list[Item]]:
    """Yield the same lines, each file once; its further parts may stand on the next pages."""
    waiting: list[Item] = []
    async for items in pages:
        joined = list(tree.join_parts([*waiting, *items]))
        waiting = joined[-1:]
        yield joined[:-1]
    yield waiting


def _parts(item: Item) -> Iterator[Part]:
    """Yield a small file as it is, and a large one in portions."""
    ids, sizes = item.content
    if sum(sizes) <= _PORTION_BYTES:
        yield Part(item.path, item.kind, 0, item.content, is_whole=True)
        return
    offset = 0
    for at in range(0, len(sizes), _PART_BLOBS):
        end = at + _PART_BLOBS
        content = Content(ids[at * ID_BYTES : end * ID_BYTES], sizes[at:end])
        yield Part(item.path, item.kind, offset, content, is_whole=False)
        offset += sum(content.sizes)


def _verify(part: Part, content: memoryview) -> None:
    """Refuse bytes that are not what the manifest says."""
    at = 0
    for identity, size in part.content.extents():
        if blob_id(content[at : at + size]) != identity:
            raise Damaged(
                f"The content of {part.path!r} is damaged in the store: "
                "have the store verified (docs/blobs.md), then push it again."
            )
        at += size


def _mode(kind: AnyKind) -> int:
    return 0o777 if kind == Kind.EXECUTABLE else 0o666  # less what the umask takes
