"""Watches over running user code until it has ended, by itself or not."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from nsml_protos import session_pb2
from nsml_runner.sandbox import Running

TIME_LIMIT_GRACE_SECONDS = 10.0
SHUTDOWN_GRACE_SECONDS = 3.0


class Cause(Enum):
    """Why user code came to its end."""

    ITSELF = auto()
    STOP_ORDER = auto()
    SHUTDOWN = auto()
    OUT_OF_MEMORY = auto()
    OUT_OF_DISK = auto()
    TIME_LIMIT = auto()


@dataclass(frozen=True, slots=True)
class Ending:
    cause: Cause
    code: int
    """The exit code, or the negative number of the signal."""

    used_bytes: int = 0
    """Of memory or disk, when it was too much."""


@dataclass(frozen=True, slots=True)
class Interrupts:
    """What may end user code from outside."""

    stop: asyncio.Future[session_pb2.StopOrder]
    shutdown: asyncio.Future[None]

    def pending(self) -> set[asyncio.Future[Any]]:
        return {self.stop, self.shutdown}

    @property
    def any(self) -> bool:
        return self.stop.done() or self.shutdown.done()


async def supervise(
    running: Running,
    interrupts: Interrupts,
    exceeded: Mapping[Cause, asyncio.Future[int]],
    time_limit_seconds: int,
) -> Ending:
    """Return when the main process has ended; what it started may still be there."""
    ended = asyncio.ensure_future(running.wait())
    await asyncio.wait(
        {ended, *exceeded.values(), *interrupts.pending()},
        timeout=time_limit_seconds or None,
        return_when=asyncio.FIRST_COMPLETED,
    )
    if ended.done():
        used = running.memory_exceeded()
        cause = Cause.OUT_OF_MEMORY if used else Cause.ITSELF
        return Ending(cause, ended.result(), used)
    for cause, used_up in exceeded.items():
        if used_up.done():
            await running.kill()
            return Ending(cause, await ended, used_up.result())
    cause, grace = _patience(interrupts)
    await running.terminate()
    await asyncio.wait({ended}, timeout=grace)
    await running.kill()
    return Ending(cause, await ended)


def _patience(interrupts: Interrupts) -> tuple[Cause, float]:
    if interrupts.stop.done():
        return Cause.STOP_ORDER, interrupts.stop.result().grace_seconds
    if interrupts.shutdown.done():
        return Cause.SHUTDOWN, SHUTDOWN_GRACE_SECONDS
    return Cause.TIME_LIMIT, TIME_LIMIT_GRACE_SECONDS
