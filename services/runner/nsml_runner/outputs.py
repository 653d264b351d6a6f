"""What user code made of its data, kept for the next sessions of its owner on the same data."""

import asyncio
import hashlib
import itertools
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from nsml_core.errors import Damaged, Error, Invalid, NotFound
from nsml_protos import session_pb2
from nsml_runner.messages import Keep
from nsml_runner.prepare import copy_writable
from nsml_runner.store import Store
from nsml_runner.workdir import WorkDir

_KEY = re.compile("[0-9a-f]{64}")


class Outputs:
    """Contents lie in the blob store; which of them belongs to a key is known on this node."""

    def __init__(
        self, work: WorkDir, store: Store, index: Path, say: Callable[[str], None]
    ) -> None:
        self._work = work
        self._store = store
        self._index = index
        self._say = say
        self._data = ""
        self._number = itertools.count(1)
        self._waiting: asyncio.Queue[tuple[Path, Path]] = asyncio.Queue()
        self._here: dict[Path, Path] = {}
        # A folder that is being copied must not be removed meanwhile.
        self._in_use = asyncio.Lock()

    def belong_to(self, session: session_pb2.Session) -> None:
        """Sessions share what they made if they have one owner and read the same revisions."""
        self._index /= session.owner
        self._data = "\0".join(mount.tree for mount in session.spec.datasets)

    def take(self, keep: Keep) -> None:
        """Move a folder out of the user's reach; it is stored in its turn."""
        folder = self._work.saved / f"cache-{next(self._number)}"
        name = self._name(keep.key)
        self._work.take_over(self._work.outside(keep.path), folder)
        self._here[name] = folder
        self._waiting.put_nowait((name, folder))

    async def store(self) -> None:
        while True:
            name, folder = await self._waiting.get()
            try:
                await self._store_one(name, folder)
            except (Error, OSError) as error:
                self._say(f"What nsml.cache() was given could not be kept: {error}")
            async with self._in_use:
                if self._here.get(name) == folder:
                    del self._here[name]
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            self._waiting.task_done()

    async def wait_stored(self) -> None:
        await self._waiting.join()

    async def find(self, key: str) -> Path | None:
        """Bring what is kept under a key; the folder is the asker's own."""
        found = await self._find(key)
        if found is None:
            return None
        await asyncio.to_thread(self._work.give, found)
        return self._work.inside(found)

    async def _find(self, key: str) -> Path | None:
        name, target = self._name(key), self._work.loaded / f"cache-{next(self._number)}"
        async with self._in_use:
            if here := self._here.get(name):
                await asyncio.to_thread(copy_writable, here, target)
                return target
        try:
            kept = await self._store.materialise(name.read_text())
        except (FileNotFoundError, NotFound, Damaged):
            return None  # it is made again, and kept anew
        await asyncio.to_thread(copy_writable, kept, target)
        return target

    async def _store_one(self, name: Path, folder: Path) -> None:
        tree = await self._store.push(folder)
        name.parent.mkdir(parents=True, exist_ok=True)
        unfinished = name.with_suffix(f".{self._work.root.name}.new")
        unfinished.write_text(tree.id)
        unfinished.replace(name)

    def _name(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise Invalid(f"{key[:20]!r} is no key.")
        return self._index / hashlib.sha256(f"{self._data}\0{key}".encode()).hexdigest()
