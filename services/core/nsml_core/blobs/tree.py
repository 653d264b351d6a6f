"""Trees: the manifest of a folder, as blobs; what a path and a link in it may be.

Whoever reads a tree checks it, client and store alike: a manifest may come from anybody.
"""

import itertools
import posixpath
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from google.protobuf.message import DecodeError

from nsml_core.blobs.chunk import BLOB_BYTES_MAX, ID_BYTES, split_ids
from nsml_core.errors import Exhausted, Invalid
from nsml_protos.blobs_pb2 import TreePage, TreeRoot

AnyKind: TypeAlias = TreePage.Kind.ValueType


class Kind:
    """The kinds once more, because each look at protobuf's own costs as much as a system call."""

    FILE: Final = TreePage.FILE
    EXECUTABLE: Final = TreePage.EXECUTABLE
    LINK: Final = TreePage.LINK
    DIRECTORY: Final = TreePage.DIRECTORY


FORMAT = 1
_ID_DIGITS = 64
_PAGE_BYTES = 256 << 10
_PAGE_ENTRIES_MEAN = 1024  # a power of two
_PART_BLOBS = 4096  # the most that one entry lists; a longer file goes on in the next entry
_PATH_BYTES_MAX = 4096
_NAME_BYTES_MAX = 255
DEPTH_MAX = 200

Put = Callable[[bytes], bytes]
"""Takes a blob's content, sees to it that it gets stored, and returns its id."""


class Content(NamedTuple):
    """What a file consists of: its blobs, in order."""

    ids: bytes = b""
    sizes: tuple[int, ...] = ()

    def extents(self) -> Iterator[tuple[bytes, int]]:
        """Yield each blob's id and size."""
        return zip(split_ids(self.ids), self.sizes, strict=True)


EMPTY = Content()


class Item(NamedTuple):
    """One line of a manifest."""

    path: str
    kind: AnyKind
    content: Content = EMPTY
    target: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a tree, as people see it; mode as `stat` has it."""

    path: str
    size: int
    mode: int


@dataclass
class Root:
    """What the root of a tree says, and the id that names both."""

    id: str
    files: int
    size: int
    page_ids: Sequence[bytes] = ()
    page_sizes: Sequence[int] = ()


def order(path: str) -> str:
    """Return the key that sorts paths as a walk finds them: a folder right before what is in it."""
    return path.replace("/", "\0")


def write(items: Iterable[Item], put: Put) -> Root:
    """Store the manifest of these items, which come in order, and return its root."""
    root = TreeRoot(format=FORMAT)
    ids = []
    for page in _pages(items, root):
        content = page.SerializeToString(deterministic=True)
        ids.append(put(content))
        root.page_sizes.append(len(content))
    root.page_ids = b"".join(ids)
    content = root.SerializeToString(deterministic=True)
    if len(content) > BLOB_BYTES_MAX:
        raise Exhausted("This folder is too large for one dataset: divide it.")
    return read_root(put(content).hex(), content)


def _parts(item: Item) -> Iterator[Item]:
    """Yield the parts of a file of very many blobs."""
    ids, sizes = item.content
    for at in range(0, len(sizes), _PART_BLOBS):
        end = at + _PART_BLOBS
        part = Content(ids[at * ID_BYTES : end * ID_BYTES], sizes[at:end])
        yield Item(item.path, item.kind, part)


def _pages(items: Iterable[Item], root: TreeRoot) -> Iterator[TreePage]:
    """Yield pages that end where paths say so: a new file changes one page and moves none.

    What is in them is counted in the root.
    """
    page: list[Item] = []
    size = files = total = 0
    for item in items:
        files += item.kind != Kind.DIRECTORY
        total += sum(item.content.sizes)
        is_short = len(item.content.sizes) <= _PART_BLOBS
        for part in (item,) if is_short else _parts(item):
            path = part.path.encode()
            page.append(part)
            size += len(path) + len(part.target) + len(part.content.ids)
            if size > _PAGE_BYTES or zlib.crc32(path) % _PAGE_ENTRIES_MEAN == 0:
                yield _page(page)
                page, size = [], 0
    if page:
        yield _page(page)
    root.files, root.bytes = files, total


def _page(items: list[Item]) -> TreePage:
    return TreePage(
        path=[item.path for item in items],
        kind=[item.kind for item in items],
        blobs=[len(item.content.sizes) for item in items],
        blob_sizes=[size for item in items for size in item.content.sizes],
        blob_ids=b"".join([item.content.ids for item in items]),
        target=[item.target for item in items if item.kind == Kind.LINK],
    )


def read_root(tree_id: str, content: bytes) -> Root:
    """Return what this root says."""
    try:
        root = TreeRoot.FromString(content)
    except DecodeError:
        raise Invalid(f"{tree_id} is no tree.") from None
    if root.format != FORMAT or len(root.page_ids) != ID_BYTES * len(root.page_sizes):
        raise Invalid(f"{tree_id} is no tree, or one of a newer format: update NSML.")
    return Root(tree_id, root.files, root.bytes, split_ids(root.page_ids), list(root.page_sizes))


@dataclass
class Reader:
    """Reads the pages of one tree in order, and refuses what no honest tree contains."""

    root: Root
    _previous: Item = field(default_factory=lambda: Item("", Kind.DIRECTORY))
    _files: int = 0
    _bytes: int = 0

    def read_page(self, content: bytes) -> Iterator[Item]:
        """Yield the items of the next page."""
        try:
            page = TreePage.FromString(content)
        except DecodeError:
            raise self._bad("a page of it cannot be read") from None
        blobs = len(page.blob_sizes)
        is_whole = (
            len(page.path) == len(page.kind) == len(page.blobs)
            and sum(page.blobs) == blobs
            and len(page.blob_ids) == blobs * ID_BYTES
            and list(page.kind).count(Kind.LINK) == len(page.target)
        )
        if not is_whole:
            raise self._bad("the columns of a page differ in length")
        for item in _rows(page):
            self._check(item)
            self._previous = item
            yield item

    def finish(self) -> None:
        """Check the sums, after the last page."""
        if (self._files, self._bytes) != (self.root.files, self.root.size):
            raise self._bad("its root does not agree with its pages")

    def _check(self, item: Item) -> None:
        check_path(item.path)
        before = self._previous
        is_file = item.kind in (Kind.FILE, Kind.EXECUTABLE)
        is_part = is_file and item.path == before.path and item.kind == before.kind
        if not is_part and order(item.path) <= order(before.path):
            raise self._bad(f"{item.path!r} is not in its place")
        if before.path and item.path.startswith(before.path + "/"):
            raise self._bad(f"{before.path!r} is a folder and something else at once")
        match item.kind:
            case Kind.FILE | Kind.EXECUTABLE:
                if any(not 0 < size <= BLOB_BYTES_MAX for size in item.content.sizes):
                    raise self._bad(f"{item.path!r} has a blob of an impossible size")
            case Kind.LINK:
                check_link(item.path, item.target)
            case Kind.DIRECTORY:
                pass
            case _:
                raise self._bad(f"{item.path!r} is of an unknown kind")
        if not is_file and item.content.sizes:
            raise self._bad(f"{item.path!r} is no file but has content")
        self._files += item.kind != Kind.DIRECTORY and not is_part
        self._bytes += sum(item.content.sizes)

    def _bad(self, reason: str) -> Invalid:
        return Invalid(f"Tree {self.root.id[:12]} is not safe to use: {reason}.")


def join_parts(items: Iterable[Item]) -> Iterator[Item]:
    """Yield each file once: what is listed in parts becomes whole again."""
    for _, parts in itertools.groupby(items, key=lambda item: item.path):
        first, *more = parts
        if more:
            contents = [first.content, *(part.content for part in more)]
            ids = b"".join(content.ids for content in contents)
            sizes = itertools.chain.from_iterable(content.sizes for content in contents)
            first = first._replace(content=Content(ids, tuple(sizes)))
        yield first


def _rows(page: TreePage) -> Iterator[Item]:
    sizes, ids, targets = tuple(page.blob_sizes), page.blob_ids, iter(page.target)
    at = 0
    for path, kind, blobs in zip(page.path, page.kind, page.blobs, strict=True):
        end = at + blobs
        content = Content(ids[at * ID_BYTES : end * ID_BYTES], sizes[at:end]) if blobs else EMPTY
        yield Item(path, kind, content, next(targets) if kind == Kind.LINK else "")
        at = end


def parse_tree_id(tree_id: str) -> bytes:
    """Return the bytes of a tree id."""
    try:
        identity = bytes.fromhex(tree_id)
    except ValueError:
        identity = b""
    if len(tree_id) != _ID_DIGITS or len(identity) * 2 != _ID_DIGITS:
        raise Invalid(f"{tree_id[:80]!r} is no tree id: it has 64 hexadecimal digits.")
    return identity


def check_path(path: str) -> None:
    """Refuse a path that would not stay inside its folder, or that a file system cannot hold."""
    names = path.split("/")
    if any(name in ("", ".", "..") for name in names) or "\0" in path:
        raise Invalid(f"{path!r} is not a path inside a folder.")
    encoded = path.encode()
    longest = max(map(len, encoded.split(b"/")))
    if len(encoded) > _PATH_BYTES_MAX or longest > _NAME_BYTES_MAX or len(names) > DEPTH_MAX:
        raise Invalid(f"The path {path[:60]!r}… is too long or too deep: shorten it.")


def check_link(path: str, target: str) -> None:
    """Refuse a link that leads out of its tree, whatever the links on its way are.

    Its target climbs first (`..` as often as `path` is deep, at most) and then only descends. Every
    other link does the same, so that no chain of them climbs above the tree.
    """
    if target.startswith("/") or posixpath.normpath(target) != target or "\0" in target:
        raise Invalid(f"The link {path!r} leads to {target!r}; only plain relative links are kept.")
    climbs = target.split("/").count("..")
    if climbs > path.count("/"):
        raise Invalid(f"The link {path!r} leads out of its folder, to {target!r}: remove it.")
