"""Folders by their content: what datasets, code, checkpoints and outputs are stored as."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nsml_client import folders
from nsml_client.modes import Calls, M, Noun, operation

if TYPE_CHECKING:  # they come with grpcio, and are needed only once content is sent
    from nsml_core import blobs
    from nsml_core.blobs.scan import Found, Ignore

Progress = Callable[[int, int], None]
"""Takes the bytes that are done and those that there are."""


class Trees(Noun[M]):
    """`client.trees`: folders in the store, by the id of their content."""

    @operation
    async def push(
        self,
        folder: Path | str,
        *,
        ignore: "Ignore | None" = None,
        check: "Callable[[Sequence[Found]], None] | None" = None,
        progress: Progress | None = None,
    ) -> "blobs.Tree":
        """Store a folder and return its tree, once it is durable; only what is missing is sent.

        `check` sees what was found, before anything is read, and may refuse.
        """
        return await push(self._calls, Path(folder), ignore, check, progress)

    @operation
    async def pull(
        self,
        tree: str,
        target: Path | str,
        *,
        force: bool = False,
        progress: Progress | None = None,
    ) -> Path:
        """Write a tree to a new or empty folder; with force, in place of what is there.

        Raises:
            Refused: There is something already.
            Damaged: What the store has is not what was stored.
        """
        return await pull(self._calls, tree, Path(target), force=force, progress=progress)

    @operation
    async def files(self, tree: str) -> set[str]:
        """Return the paths of the files in a tree."""
        return await files(self._calls, tree)

    @operation
    async def sizes(self, tree: str) -> list[tuple[str, int]]:
        """Return path and size of each file in a tree, those of a folder together."""

        async def work(store: "blobs.Client") -> list[tuple[str, int]]:
            return [(entry.path, entry.size) for entry in await store.entries(tree)]

        return await self._calls.store(work)

    @operation
    async def read(self, tree: str, path: str, *, limit: int = 0) -> bytes:
        """Return what is in one file of a tree; so many of its first bytes, or all.

        Raises:
            NotFound: There is no such file.
            Damaged: What the store has is not what was stored.
        """

        async def work(store: "blobs.Client") -> bytes:
            content = bytearray()
            async with aclosing(store.read(tree, path)) as pieces:
                async for piece in pieces:
                    content += piece
                    if limit and len(content) >= limit:
                        break
            return bytes(content[:limit] if limit else content)

        return await self._calls.store(work)


async def push(
    calls: Calls,
    folder: Path,
    ignore: "Ignore | None" = None,
    check: "Callable[[Sequence[Found]], None] | None" = None,
    progress: Progress | None = None,
) -> "blobs.Tree":
    """Store a folder; files that did not change since the last time are not read again."""
    cache = calls.settings.home / "cache" / "files.sqlite"

    async def work(store: "blobs.Client") -> "blobs.Tree":
        return await store.push(
            folder, ignore=ignore, check=check, progress=progress, stat_cache=cache
        )

    return await calls.store(work)


async def pull(
    calls: Calls, tree: str, target: Path, *, force: bool, progress: Progress | None
) -> Path:
    """Write a tree to a folder; what is there is replaced only once all has come."""
    draft = await calls.aside(partial(folders.place, target, force=force))
    await _fetch(calls, tree, draft, progress)
    await calls.aside(partial(folders.swap, draft, target))
    return target


async def pull_part(calls: Calls, tree: str, part: str, folder: Path, *, force: bool) -> Path:
    """Write one file or folder of a tree into a folder; return where it is."""
    target = await calls.aside(partial(folders.place_part, part, folder, force=force))
    draft = folders.beside(target, "new")
    try:
        await _fetch(calls, tree, draft, None)
        await calls.aside(partial(folders.take_part, draft, part, target))
    finally:
        await calls.aside(partial(shutil.rmtree, draft, ignore_errors=True))
    return target


async def files(calls: Calls, tree: str) -> set[str]:
    """Return the paths of the files in a tree."""

    async def work(store: "blobs.Client") -> set[str]:
        return {entry.path for entry in await store.entries(tree)}

    return await calls.store(work)


async def _fetch(calls: Calls, tree: str, target: Path, progress: Progress | None) -> None:
    async def work(store: "blobs.Client") -> None:
        await store.pull(tree, target, progress=progress)

    await calls.store(work)
