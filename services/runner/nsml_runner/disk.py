"""Watches how much a session writes, where an engine and a file system set no limit."""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

LOOK_SECONDS = 5.0
_BLOCK_BYTES = 512


async def watch(measure: Callable[[], int], limit: int) -> int:
    """Return how much is held once that is more than the limit; 0: there is none."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if limit:
            used = await asyncio.to_thread(measure)
            if used > limit:
                return used


def held_by(folders: Sequence[Path]) -> int:
    return sum(map(held, folders))


def held(folder: Path) -> int:
    """Return what a folder occupies; a file with several names in it counts once."""
    return sum(dict(_files(folder)).values())


def _files(folder: Path) -> Iterator[tuple[int, int]]:
    for _, _, names, descriptor in os.fwalk(folder):
        for name in names:
            try:
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except FileNotFoundError:
                continue  # it has just been removed
            yield status.st_ino, status.st_blocks * _BLOCK_BYTES
