"""Somebody who asks the platform something again and again, and notes each refusal."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.swarm.machines import Refused


class Insisting:
    """Asks in a thread of its own, for as long as the block runs; at least once."""

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask = ask
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._insist)
        self.refusals: list[str] = []

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

    def _insist(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._stop.is_set()
            try:
                self._ask()
            except Refused as refused:
                self.refusals.append(str(refused))
