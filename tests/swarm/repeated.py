"""Something that a thread does again and again, beside what a test does."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Repeated:
    """Does it for as long as the block runs, and once more at its end, however short it was."""

    def __init__(self, work: Callable[[], None], pause_seconds: float = 0.0) -> None:
        self._work = work
        self._pause_seconds = pause_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._repeat)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _repeat(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._stop.wait(self._pause_seconds)
            self._work()
