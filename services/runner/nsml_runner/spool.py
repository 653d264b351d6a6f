"""Frames that the platform has not acknowledged yet: the newest few in memory, the rest on disk."""

import asyncio
import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path

MEMORY_LIMIT = 4 << 20
DISK_LIMIT = 1 << 30
SEGMENT_BYTES = 16 << 20
DISKLESS_LIMIT = 16 << 20
"""What memory may hold when the disk takes no more."""


@dataclass(slots=True)
class Held:
    """One frame: its bytes, or where in which segment they lie."""

    size: int
    content: bytes | None
    segment: int = 0
    offset: int = 0


class Segment:
    """A file of frames; it goes as a whole when the last of them is acknowledged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.frames = 0
        self._file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)

    def append(self, content: bytes) -> int:
        offset = self.size
        try:
            written = os.pwrite(self._file, content, offset)
        except OSError:
            written = -1
        if written != len(content):
            os.ftruncate(self._file, offset)
            raise DiskFullError
        self.size += written
        self.frames += 1
        return offset

    def read(self, offset: int, size: int) -> bytes:
        return os.pread(self._file, size, offset)

    def remove(self) -> None:
        os.close(self._file)
        self.path.unlink(missing_ok=True)


class DiskFullError(OSError):
    """The disk took no more; the frame stays in memory."""


class Spool:
    """Numbered from 1 without gaps; a frame leaves only when it was acknowledged."""

    def __init__(self, folder: Path, *, disk_limit: int = DISK_LIMIT) -> None:
        self._folder = folder
        self._disk_limit = disk_limit
        self._held: deque[Held] = deque()
        self._segments: dict[int, Segment] = {}
        self._newest_segment = 0
        self._memory = 0
        self.acknowledged = 0
        self._news = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def last(self) -> int:
        return self.acknowledged + len(self._held)

    @property
    def full(self) -> bool:
        on_disk = sum(segment.size for segment in self._segments.values())
        return on_disk >= self._disk_limit or self._memory >= DISKLESS_LIMIT

    def append(self, content: bytes) -> None:
        held = Held(len(content), content)
        if self._memory + held.size > MEMORY_LIMIT:
            self._move_to_disk(held, content)
        self._memory += held.size if held.content is not None else 0
        self._held.append(held)
        self._empty.clear()
        self._news.set()

    def _move_to_disk(self, held: Held, content: bytes) -> None:
        try:
            segment = self._writable_segment()
            held.offset = segment.append(content)
        except OSError:
            return  # the disk is full: memory keeps it, and `full` makes the source slow down
        held.segment, held.content = self._newest_segment, None

    def _writable_segment(self) -> Segment:
        newest = self._segments.get(self._newest_segment)
        if newest is None or newest.size >= SEGMENT_BYTES:
            self._folder.mkdir(exist_ok=True)
            newest = Segment(self._folder / f"{self._newest_segment + 1:08}")
            self._newest_segment += 1
            self._segments[self._newest_segment] = newest
        return newest

    def read(self, number: int) -> bytes:
        held = self._held[number - self.acknowledged - 1]
        if held.content is not None:
            return held.content
        return self._segments[held.segment].read(held.offset, held.size)

    def acknowledge(self, number: int) -> None:
        while self.acknowledged < number and self._held:
            self._release(self._held.popleft())
            self.acknowledged += 1
        if not self._held:
            self._empty.set()

    def _release(self, held: Held) -> None:
        if held.content is not None:
            self._memory -= held.size
            return
        segment = self._segments[held.segment]
        segment.frames -= 1
        if segment.frames == 0:
            del self._segments[held.segment]
            segment.remove()

    async def wait_beyond(self, number: int) -> None:
        """Return when there is a frame after this one."""
        while self.last <= number:
            self._news.clear()
            await self._news.wait()

    async def wait_empty(self) -> None:
        await self._empty.wait()

    def close(self) -> None:
        for segment in self._segments.values():
            segment.remove()
        self._segments.clear()
