"""The blob store as a runner uses it: opened when first needed, waited for when it is away."""

from collections.abc import Callable
from pathlib import Path

from nsml_core import blobs
from nsml_core.blobs import copies
from nsml_core.errors import Error
from nsml_core.settings import Settings
from nsml_runner.attempts import patiently


class Store:
    """A session whose code and data lie on this node already opens nothing."""

    def __init__(self, settings: Settings, token: str) -> None:
        self._settings = settings
        self._trees = settings.cache / "trees"
        self._token = token
        self._opened: blobs.Client | None = None

    @property
    def _client(self) -> blobs.Client:
        if self._opened is None:
            settings = self._settings
            address, where = settings.addresses["dataset"], settings.blobs_url
            self._opened = blobs.Client(address, self._token, where, settings.tls)
        return self._opened

    async def push(
        self, folder: Path, waits: Callable[[Error], None] = lambda _: None
    ) -> blobs.Tree:
        return await patiently(lambda: self._client.push(folder), waits=waits)

    async def pull(self, tree: str, target: Path) -> None:
        await patiently(lambda: self._client.pull(tree, target))

    def here(self, tree: str) -> Path | None:
        """Return the folder of a tree if it is on this node, and as it was put there."""
        folder = self._trees / tree  # it got its name when it was whole
        return folder if folder.is_dir() and copies.is_settled(folder) else None

    async def materialise(self, tree: str) -> Path:
        """Bring a tree to this node, for all its sessions, and return its folder."""
        return await patiently(lambda: self._client.materialise(tree, self._trees))

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.close()
