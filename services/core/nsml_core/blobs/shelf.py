"""Where packs rest: a folder, or an object store; two shelves with one face.

The folder is used directly and not through obstore, because a pack must be on disk (fsync of the
file and of its folder) before anybody is told that it is stored, and obstore offers no fsync.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from nsml_core.blobs.pack import SUFFIX
from nsml_core.errors import Damaged, Invalid


class Shelf(Protocol):
    """Keeps packs by name."""

    def keep(self, file: Path, name: str) -> None:
        """Take over a pack's file; on return it is durable and the file is gone."""
        ...

    def read(self, name: str, offset: int, size: int) -> bytes:
        """Return bytes of a pack."""
        ...

    def size(self, name: str) -> int:
        """Return the size of a pack."""
        ...

    def names(self) -> Iterator[str]:
        """Yield the names of all packs."""
        ...

    def set_aside(self, name: str) -> None:
        """Move a damaged pack out of the way; a person may want to look at it."""
        ...


def folder_of(url: str) -> Path | None:
    """Return the folder that a `file://` address names, and nothing for other addresses."""
    parts = urlsplit(url)
    if parts.scheme != "file":
        return None
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise Invalid(f"{url} names no folder: write file:///path/to/folder.")
    return Path(unquote(parts.path))


class FolderShelf:
    """Packs as files in `packs/`."""

    def __init__(self, folder: Path) -> None:
        self._packs = folder / "packs"
        self._aside = folder / "damaged"
        self._packs.mkdir(parents=True, exist_ok=True)

    def keep(self, file: Path, name: str) -> None:
        """Sync, move, and sync the move."""
        with file.open("rb") as opened:
            os.fchmod(opened.fileno(), 0o400)
            os.fsync(opened.fileno())
            # A push of much data must not drive everything else from the machine's memory.
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.rename(self._path(name))
        sync_folder(self._packs)

    def read(self, name: str, offset: int, size: int) -> bytes:
        """Return bytes of a pack."""
        try:
            with self._path(name).open("rb", buffering=0) as file:
                return os.pread(file.fileno(), size, offset)
        except FileNotFoundError:
            raise Damaged(f"Pack {name[:12]} is gone from the store.") from None

    def size(self, name: str) -> int:
        """Return the size of a pack."""
        return self._path(name).stat().st_size

    def names(self) -> Iterator[str]:
        """Yield the names of all packs."""
        with os.scandir(self._packs) as entries:
            yield from (
                entry.name.removesuffix(SUFFIX) for entry in entries if entry.name.endswith(SUFFIX)
            )

    def set_aside(self, name: str) -> None:
        """Move the pack to `damaged/`."""
        self._aside.mkdir(exist_ok=True)
        self._path(name).rename(self._aside / (name + SUFFIX))
        sync_folder(self._packs)

    def _path(self, name: str) -> Path:
        return self._packs / (name + SUFFIX)


def sync_folder(folder: Path) -> None:
    """Make what was created or renamed in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
