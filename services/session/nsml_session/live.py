"""Who is listening now: followers of a session's log, and the runner that takes orders for it."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")

_POLL_SECONDS = 0.5


class Hub(Generic[T]):
    """Hands what is told of a session to all who listen to it at that moment."""

    def __init__(self, limit: int = 0) -> None:
        self._limit = limit
        self._listeners: defaultdict[str, set[asyncio.Queue[T]]] = defaultdict(set)

    def tell(self, session: str, word: T) -> None:
        """Hand a word to all listeners; one that reads too slowly for its limit misses it."""
        for queue in self._listeners.get(session, ()):
            if not queue.full():
                queue.put_nowait(word)

    def is_heard(self, session: str) -> bool:
        """Tell whether anybody listens."""
        return session in self._listeners

    @contextmanager
    def listening(self, session: str) -> Iterator["asyncio.Queue[T]"]:
        """Listen for as long as the block runs."""
        queue: asyncio.Queue[T] = asyncio.Queue(self._limit)
        self._listeners[session].add(queue)
        try:
            yield queue
        finally:
            self._listeners[session].discard(queue)
            if not self._listeners[session]:
                del self._listeners[session]


async def first_word(
    told: "asyncio.Queue[T] | asyncio.Queue[None]", ended: "asyncio.Queue[None]"
) -> T | None:
    """Return the next word of what is told.

    None if the session may have ended, or nothing was told for a moment.
    """
    waiting = [asyncio.create_task(queue.get()) for queue in {told, ended}]
    try:
        await asyncio.wait(waiting, timeout=_POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        words = [task.result() for task in waiting if task.done()]
    finally:
        for task in waiting:
            task.cancel()
    return next((word for word in words if word is not None), None)
