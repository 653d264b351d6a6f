"""The face of blobs to everybody who pushes and pulls: command line, runner, services."""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from grpc import aio

from nsml_core.blobs import materialise, pull, transport, tree
from nsml_core.blobs.chunk import blob_id, split_ids
from nsml_core.blobs.push import Push
from nsml_core.blobs.remote import Remote
from nsml_core.blobs.scan import Found, Ignore
from nsml_core.blobs.stat_cache import StatCache
from nsml_core.blobs.transport import Transport
from nsml_core.blobs.tree import Entry, Kind
from nsml_core.clients import connect
from nsml_core.errors import Damaged, NotFound, Refused
from nsml_core.tls import Tls

Progress = Callable[[int, int], None]
"""Takes the bytes that are done and those that there are; called on the event loop."""

_MODES = {
    Kind.FILE: 0o100644,
    Kind.EXECUTABLE: 0o100755,
    Kind.LINK: 0o120777,
    Kind.DIRECTORY: 0o040755,
}


@dataclass(frozen=True)
class Tree:
    """A folder as it was pushed."""

    id: str
    """64 hexadecimal digits; the same content has the same id, whoever pushed it and when."""

    files: int
    """Files and links; 0 for a folder without any."""

    bytes: int

    stored_bytes: int
    """What the push added to the store."""


class Client:
    """Pushes folders to the store and pulls trees from it."""

    def __init__(
        self,
        channel_or_address: aio.Channel | str,
        token: str = "",
        blobs_url: str = "",
        secured: Tls | None = None,
    ) -> None:
        """Speak over this channel as it is, or to this address as the bearer of the token.

        Where `blobs_url` names a folder that this process and the store share, content goes
        through it.
        """
        self._ours: aio.Channel | None = None
        if isinstance(channel_or_address, str):
            channel_or_address = self._ours = connect(
                channel_or_address, token, secured, service="dataset"
            )
        self._blobs_url = blobs_url
        self._remote = Remote(channel_or_address)
        self._chosen: Transport | None = None

    async def __aenter__(self) -> Self:
        """Return the client itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Hang up."""
        await self.close()

    async def close(self) -> None:
        """Hang up, if the channel is ours."""
        if self._ours is not None:
            await self._ours.close()

    async def push(
        self,
        path: Path | str,
        *,
        ignore: Ignore | None = None,
        check: Callable[[Sequence[Found]], None] | None = None,
        progress: Progress | None = None,
        stat_cache: Path | None = None,
    ) -> Tree:
        """Store a folder, and return its tree once it is durable.

        `check` sees what was found, before anything is read, and may refuse. `stat_cache` is the
        file that remembers unchanged files; without one all are read.
        """
        cache = StatCache(stat_cache) if stat_cache else None
        try:
            push = Push(
                remote=self._remote,
                transport=await self._transport(),
                folder=_folder(path),
                ignore=ignore,
                check=check,
                progress=progress,
                stat_cache=cache,
            )
            pushed = await push.run()
        finally:
            if cache:
                cache.close()
        root = pushed.root
        return Tree(root.id, root.files, root.size, pushed.stored_bytes)

    async def pull(
        self,
        tree_id: str,
        target: Path | str,
        *,
        read_only: bool = False,
        link_from: Path | None = None,
        progress: Progress | None = None,
    ) -> Tree:
        """Write a tree to a folder that is not there yet or is empty.

        `link_from` is a materialised copy of the same tree on the same disk, whose files are linked
        instead of fetched.
        """
        root = await pull.Pull(
            remote=self._remote,
            transport=await self._transport(),
            target=Path(target),
            read_only=read_only,
            link_from=link_from,
            progress=progress,
        ).run(tree_id)
        return Tree(root.id, root.files, root.size, 0)

    async def materialise(
        self, tree_id: str, cache: Path, *, progress: Progress | None = None
    ) -> Path:
        """Return the read-only copy of a tree that a node shares; made if there is none."""

        async def fill(identity: str, folder: Path) -> Tree:
            return await self.pull(identity, folder, read_only=True, progress=progress)

        return await materialise.materialise(fill, tree_id, cache)

    async def entries(self, tree_id: str) -> list[Entry]:
        """Return what is in a tree, in order."""
        root = await pull.read_root(self._remote, tree_id)
        items = [item async for page in pull.read_items(self._remote, root) for item in page]
        return [
            Entry(item.path, sum(item.content.sizes), _MODES[item.kind])
            for item in tree.join_parts(items)
        ]

    async def read(self, tree_id: str, path: str) -> AsyncGenerator[bytes, None]:
        """Yield the verified content of one file of a tree, piece by piece.

        Raises:
            NotFound: There is no such file.
        """
        root = await pull.read_root(self._remote, tree_id)
        items = [item async for page in pull.read_items(self._remote, root) for item in page]
        found = [item for item in tree.join_parts(items) if item.path == path]
        if not found or found[0].kind not in {Kind.FILE, Kind.EXECUTABLE}:
            raise NotFound(f"There is no file {path}.")
        for identity in split_ids(found[0].content.ids):
            content = b"".join([piece async for piece in self._remote.read([identity])])
            if blob_id(content) != identity:
                raise Damaged(f"{path} is damaged in the store.")
            yield content

    async def _transport(self) -> Transport:
        if self._chosen is None:
            self._chosen = await transport.choose(self._remote, self._blobs_url)
        return self._chosen


def _folder(path: Path | str) -> Path:
    folder = Path(path)
    if folder.is_file():
        raise Refused(f"{folder} is a file: name the folder that it is in.")
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.")
    return folder.resolve()
