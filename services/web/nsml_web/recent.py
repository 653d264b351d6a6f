"""What was asked a moment ago: many readers of one page ask the services once."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, TypeVar

T = TypeVar("T")

_KEPT = 1000


class Recent:
    """Answers that are still good, by what was asked and for whom."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[Hashable, tuple[float, asyncio.Task[Any]]] = {}

    async def get(
        self, key: Hashable, seconds: float, ask: Callable[[], Coroutine[Any, Any, T]]
    ) -> T:
        """Return the answer of this key, not older than so many seconds; else ask."""
        now = self._clock()
        until, answer = self._known.get(key, (now, None))
        if answer is None or until <= now:
            answer = asyncio.create_task(ask())
            self._known[key] = now + seconds, answer
            self._forget(now)
        # Whoever leaves takes no answer from the others.
        found: T = await asyncio.shield(answer)
        return found

    def _forget(self, now: float) -> None:
        if len(self._known) > _KEPT:
            self._known = {key: one for key, one in self._known.items() if one[0] > now}
