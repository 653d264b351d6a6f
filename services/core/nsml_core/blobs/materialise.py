"""Read-only copies of trees on a node: made once, shared by all sessions, checked each time."""

import asyncio
import fcntl
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from nsml_core.blobs import copies
from nsml_core.blobs.tree import parse_tree_id

_WAIT_SECONDS = 0.02


async def materialise(
    pull: Callable[[str, Path], Awaitable[object]], tree_id: str, cache: Path
) -> Path:
    """Return this tree's folder in the cache, which `pull` fills if it is absent or was changed."""
    parse_tree_id(tree_id)
    folder = cache / tree_id
    locks = cache / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    async with _locked(locks / tree_id):
        if folder.is_dir() and not await asyncio.to_thread(copies.is_settled, folder):
            aside = cache / f".{tree_id}.{secrets.token_hex(4)}.changed"
            folder.rename(aside)
            await asyncio.to_thread(copies.remove, aside)
        if not folder.is_dir():
            await pull(tree_id, folder)
    return folder


@asynccontextmanager
async def _locked(file: Path) -> AsyncIterator[None]:
    """Hold a lock that no other process holds, and that dies with this one."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while not _try(descriptor):  # noqa: ASYNC110 - its holder is another process
            await asyncio.sleep(_WAIT_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
