"""Drains the user code's output pipes, so that a full pipe never makes training wait."""

import asyncio
import os
from collections.abc import Callable

READ_BYTES = 256 << 10
"""A piece of output is at most this long."""
TAIL_BYTES = 4 << 10
SDK_SAYS = "nsml: "


class Pipe:
    """Reads one pipe on the event loop until its last writer is gone."""

    def __init__(self, descriptor: int, take: Callable[[bytes], None]) -> None:
        self._descriptor = descriptor
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._tail = b""
        self.ended = asyncio.Event()
        os.set_blocking(descriptor, False)
        self._loop.add_reader(descriptor, self._read)

    def _read(self) -> bool:
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self.close()
            return False
        self._tail = (self._tail + data[-TAIL_BYTES:])[-TAIL_BYTES:]
        self._take(data)
        return True

    def drain(self) -> None:
        """Take what is in the pipe now, and no more: its writers are dead."""
        while not self.ended.is_set() and self._read():
            pass
        self.close()

    def last_line(self) -> str:
        """Return the last that was said, by the code itself rather than by the SDK at its exit."""
        lines = [line.strip() for line in self._tail.decode(errors="replace").splitlines()]
        said = [line for line in lines if line]
        own = [line for line in said if not line.startswith(SDK_SAYS)]
        return (own or said or [""])[-1]

    def close(self) -> None:
        if not self.ended.is_set():
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self.ended.set()
