"""Work that was begun and must come to its end.

Tried again until it succeeds, its failures in the open.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential_jitter

from nsml_core.errors import Error, Unavailable

_CLOSE_SECONDS = 3.0

_log = logging.getLogger("nsml.tasks")

Work = Callable[[], Awaitable[object]]


class Tasks:
    """Tasks that nobody awaits; kept, so that they are neither collected nor forgotten."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Work) -> None:
        """Begin some work in the background; it is begun again while a part of it is away."""
        task = asyncio.create_task(_reported(work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Wait a moment for what runs, then give it up: a restart resumes what is owed."""
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=_CLOSE_SECONDS)
            for task in late:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task


async def _reported(work: Work) -> None:
    patiently = AsyncRetrying(
        retry=retry_if_exception_type(Unavailable),
        wait=wait_exponential_jitter(multiplier=0.1, max=5),
        reraise=True,
    )
    try:
        await patiently(work)
    except Error as error:
        _log.warning("%s", error.sentence)
    except Exception:  # noqa: BLE001 - the edge of the process
        _log.exception("a background task failed")
