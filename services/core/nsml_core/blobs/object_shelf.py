"""The shelf in an object store: S3, or whatever else obstore speaks to."""

from collections.abc import Iterator
from pathlib import Path

import obstore
from obstore.store import from_url

from nsml_core.blobs.pack import SUFFIX
from nsml_core.errors import Damaged


class ObjectShelf:
    """Packs as objects `packs/…` in S3 or another object store that obstore speaks to."""

    def __init__(self, url: str) -> None:
        self._store = from_url(url)

    def keep(self, file: Path, name: str) -> None:
        """Upload; an object store acknowledges what is durable."""
        obstore.put(self._store, self._key(name), file)
        file.unlink()

    def read(self, name: str, offset: int, size: int) -> bytes:
        """Return bytes of a pack."""
        try:
            return bytes(obstore.get_range(self._store, self._key(name), start=offset, length=size))
        except FileNotFoundError:
            raise Damaged(f"Pack {name[:12]} is gone from the store.") from None

    def size(self, name: str) -> int:
        """Return the size of a pack."""
        return int(obstore.head(self._store, self._key(name))["size"])

    def names(self) -> Iterator[str]:
        """Yield the names of all packs."""
        for page in obstore.list(self._store, prefix="packs/"):
            for entry in page:
                yield entry["path"].removeprefix("packs/").removesuffix(SUFFIX)

    def set_aside(self, name: str) -> None:
        """Move the pack to `damaged/…`."""
        obstore.rename(self._store, self._key(name), f"damaged/{name}{SUFFIX}")

    @staticmethod
    def _key(name: str) -> str:
        return f"packs/{name}{SUFFIX}"
