"""The store: takes packs in, verified and durable; finds blobs; knows which trees are whole."""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nsml_core.blobs import index as indexes
from nsml_core.blobs import pack as packs
from nsml_core.blobs.chunk import blob_id
from nsml_core.blobs.disk import alone_in, is_file, room_for
from nsml_core.blobs.incoming import Incoming, incoming_name
from nsml_core.blobs.index import NOWHERE, Extent, Index
from nsml_core.blobs.object_shelf import ObjectShelf
from nsml_core.blobs.shelf import FolderShelf, Shelf, folder_of
from nsml_core.blobs.tree import Reader, parse_tree_id, read_root
from nsml_core.errors import Damaged, Error, Invalid, NotFound

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FRESH_SECONDS = 1.0  # who is told that a blob is missing may store it twice, which does no harm

_log = logging.getLogger("nsml.blobs")


@dataclass(frozen=True)
class Receipt:
    """What a pack added to the store."""

    blobs: int
    bytes: int
    pack: packs.Pack | None = None  # none, where it was asked again


@dataclass(frozen=True)
class Whole:
    """A tree all of whose blobs are stored."""

    id: str
    files: int
    bytes: int


@dataclass(frozen=True)
class Damage:
    """A pack whose content is not what it should be."""

    pack: str
    reason: str
    ids: Sequence[bytes] = ()

    def __str__(self) -> str:
        what = "The index" if self.pack == indexes.FILE else f"Pack {self.pack}"
        return f"{what}: {self.reason}"


class Store:
    """One store, opened by one process; its methods block and may be called from any thread."""

    def __init__(self, url: str, state: Path | None = None, *, is_shared: bool = False) -> None:
        """Open the store at `url`; what is not a folder needs one for its `state`.

        One that replicas share has an index in the state of each, which learns of others' packs.
        """
        content = folder_of(url)
        folder = state if is_shared else content or state
        if folder is None:
            raise Invalid(f"A store at {url} needs a folder for its index.")
        self._is_shared = is_shared
        self._learning = threading.Lock()
        self.incoming = (content or folder) / "incoming"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = alone_in(folder / "lock")
        self._shelf: Shelf = FolderShelf(content) if content else ObjectShelf(url)
        self._folder = folder
        self._learned = 0.0
        self._adopting: dict[str, threading.Lock] = {}
        self.remove_leftovers()
        with room_for("the index of blobs"):
            self._open_index()

    def _open_index(self) -> None:
        try:
            self._index = Index(self._folder)
            self.reconcile()
        except Damaged as error:
            _log.error("The index is made anew: %s", error.sentence)
            self._remake_index()

    def _remake_index(self) -> None:
        indexes.remove(self._folder)
        self._index = Index(self._folder)
        self.reconcile()

    def close(self) -> None:
        """Close the store, so that another process may open it."""
        self._index.close()
        os.close(self._lock)

    def missing(self, ids: Sequence[bytes]) -> list[bytes]:
        """Return those of these blobs that are not stored, in order."""
        have = self._sizes(ids, _FRESH_SECONDS)
        return [identity for identity in ids if identity not in have]

    def is_incoming(self, name: str) -> bool:
        """Return whether our own user has left a file of this name in the incoming folder."""
        path = self.incoming / incoming_name(name)
        try:
            return path.lstat().st_uid == os.geteuid()
        except FileNotFoundError:
            return False

    def receive(self) -> Incoming:
        """Return a new file in the incoming folder, to be filled, adopted and closed."""
        return Incoming(self.incoming)

    def adopt(self, name: str, pack: str = "") -> Receipt:
        """Take over the pack of this name in the incoming folder; durable on return.

        Asked again with the pack's own name, nothing happens: the first answer may have been lost.
        """
        path = self.incoming / incoming_name(name)
        # Asked two times at once, the later waits: it would find the pack neither here nor there.
        with self._adopting.setdefault(name, threading.Lock()):
            try:
                return self._adopt_once(path, name, pack)
            finally:
                self._adopting.pop(name, None)

    def _adopt_once(self, path: Path, name: str, pack: str) -> Receipt:
        try:
            with room_for("the store of blobs"):
                return self._adopt(path)
        except FileNotFoundError:
            if self._index.has_pack(pack) or (self._learn() and self._index.has_pack(pack)):
                return Receipt(0, self._shelf.size(pack))
            raise NotFound(f"No pack {name!r} has come in: push again.") from None
        finally:
            path.unlink(missing_ok=True)

    def _adopt(self, path: Path) -> Receipt:
        with os.fdopen(os.open(path, _READ), "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size > packs.PACK_BYTES_MAX:
                raise Invalid("This pack is larger than a store accepts.")
            damaged, pack = packs.examine(file.fileno(), size)
        if damaged is not None:
            raise Damaged(f"Blob {damaged.hex()[:12]} was damaged on its way here: push again.")
        self._shelf.keep(path, pack.name)
        return Receipt(self._index.add(pack, size), size, pack)

    def locate(self, ids: Sequence[bytes]) -> list[Extent]:
        """Return where these blobs are, in order; `NOWHERE` for what is not stored."""
        if len(found := self._index.find(ids)) < len(set(ids)) and self._learn():
            found = self._index.find(ids)
        return [found.get(identity, NOWHERE) for identity in ids]

    def _sizes(self, ids: Sequence[bytes], age_seconds: float = 0.0) -> dict[bytes, int]:
        if len(have := self._index.sizes(ids)) < len(set(ids)) and self._learn(age_seconds):
            have = self._index.sizes(ids)
        return have

    def _learn(self, age_seconds: float = 0.0) -> bool:
        """Learn of packs that other replicas have taken in; return whether there may be any."""
        if not self._is_shared:
            return False
        asked = time.monotonic()
        with self._learning:
            if self._learned > asked - age_seconds:  # somebody looked while we waited, or before
                return True
            self._learned = time.monotonic()
            unknown = set(self._shelf.names()) - self._index.packs()
            for name in unknown:
                self._index_again(name)
        return bool(unknown)

    def read(self, ids: Sequence[bytes]) -> Iterator[bytes]:
        """Yield the content of these blobs as it is stored; whoever uses it verifies it."""
        for identity, extent in zip(ids, self.locate(ids), strict=True):
            if extent == NOWHERE:
                raise Damaged(f"Blob {identity.hex()[:12]} is not in the store.")
            yield self._shelf.read(*extent)

    def get(self, identity: bytes) -> bytes:
        """Return the verified content of one blob."""
        if not self._sizes([identity]):
            raise NotFound(f"Blob {identity.hex()[:12]} is not in the store.")
        (content,) = self.read([identity])
        if blob_id(content) != identity:
            raise Damaged(f"Blob {identity.hex()[:12]} is damaged in the store.")
        return content

    def commit(self, tree_id: str) -> Whole:
        """Verify that a tree is whole. Asked again, nothing happens."""
        known = self._index.tree(tree_id)
        if known is None:
            known = self._verify_tree(tree_id)
            with room_for("the index of blobs"):
                self._index.add_tree(tree_id, *known)
        return Whole(tree_id, *known)

    def _verify_tree(self, tree_id: str) -> tuple[int, int]:
        root = read_root(tree_id, self.get(parse_tree_id(tree_id)))
        reader = Reader(root)
        for page_id in root.page_ids:
            wanted: dict[bytes, int] = {}
            for item in reader.read_page(self.get(page_id)):
                wanted.update(item.content.extents())
            sizes = self._sizes(list(wanted))
            for identity, size in wanted.items():
                if sizes.get(identity) != size:
                    raise NotFound(f"Blob {identity.hex()[:12]} of tree {tree_id[:12]} is missing.")
        reader.finish()
        return root.files, root.size

    def reconcile(self) -> None:
        """Bring the index in line with the packs: a power cut may have taken its newest rows."""
        indexed, present = self._index.packs(), set(self._shelf.names())
        for name in indexed - present:
            self._index.remove(name)
        for name in present - indexed:
            self._index_again(name)

    def _index_again(self, name: str) -> None:
        size = self._shelf.size(name)
        try:
            pack = packs.read_footer(partial(self._shelf.read, name), size)
        except Damaged as error:
            _log.error("Pack %s is moved to damaged/: %s", name, error.sentence)
            self._shelf.set_aside(name)
        else:
            self._index.add(pack, size)

    def verify(self) -> Iterator[Damage]:
        """Read every byte that is stored, and yield the packs that are not what they should be."""
        for name in sorted(self._shelf.names()):
            read = partial(self._shelf.read, name)
            try:
                pack = packs.read_footer(read, self._shelf.size(name))
                damaged = list(packs.find_damage(read, pack))
            except Error as error:
                yield Damage(name, error.sentence)
                continue
            if damaged or pack.name != name:
                yield Damage(name, "Blobs in it do not match their hashes.", damaged)
            elif wrong := self._index.check(pack):
                yield Damage(indexes.FILE, wrong)

    def set_aside(self, damage: Damage) -> None:
        """Move a damaged pack away, but keep what is good in it; push the rest again."""
        if damage.pack == indexes.FILE:
            self._index.close()
            self._remake_index()
            return
        if damage.ids:
            self._salvage(damage)
        self._shelf.set_aside(damage.pack)
        self._index.remove(damage.pack)

    def _salvage(self, damage: Damage) -> None:
        read = partial(self._shelf.read, damage.pack)
        pack = packs.read_footer(read, self._shelf.size(damage.pack))
        bad = set(damage.ids)
        good = [extent for extent in pack.extents() if extent[0] not in bad]
        incoming = self.receive()
        try:
            for _, offset, size in good:
                incoming.write([read(offset, size)])
            _, footer = packs.seal([blob for blob, _, _ in good], [size for _, _, size in good])
            incoming.write([footer])
            self._index.remove(damage.pack)
            self.adopt(incoming.name)
        finally:
            incoming.close()

    def remove_leftovers(self) -> None:
        """Delete what pushes that broke have left behind: files that nobody holds a lock on."""
        for path in filter(is_file, self.incoming.iterdir()):
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except FileNotFoundError:  # its owner was faster
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            else:
                path.unlink(missing_ok=True)
            finally:
                os.close(descriptor)

    def totals(self) -> tuple[int, int]:
        """Return how many packs there are, and how many bytes they occupy."""
        return self._index.totals()
