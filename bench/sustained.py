"""How many sessions that do nothing reach their end in a second, all durable and charged."""

import asyncio
import os
import sys
import time
from contextlib import aclosing, suppress

import psutil

from bench.client import Client, charged, connected, entries, has_ended
from bench.figures import Figure, Goal, Row
from bench.home import Platform, code, running
from bench.timing import seconds
from nsml_local import processes

_SESSIONS = 400
_IN_FLIGHT = 32
_PROCESSES = 100


def measure() -> Row:
    with running() as platform, code("") as folder:
        platform.nsml("run", "-f", folder=folder)
        example = platform.nsml("ps", "-a", "-q").split()[0]
        bare = _bare()
        before = _processor_seconds(platform)
        took = asyncio.run(_measure(platform, example))
        used = (_processor_seconds(platform) - before) / _SESSIONS
        bare += _bare()
    cores = os.cpu_count() or 1
    rate, floor = _SESSIONS / took, 2 * _PROCESSES / bare
    return Row(
        [
            Figure("no-op sessions, submitted to charged", rate, "sessions/s", Goal("≥", 20)),
            Figure("bare `python -c pass`, one after another", floor, "processes/s"),
            Figure("sessions for each bare process", rate / floor, "ratio"),
            Figure("processor time of a session, all processes", 1000 * used, "ms"),
            Figure("sessions that the cores could bear", cores / used, "sessions/s"),
        ],
        {"seconds": [took], "sessions": [_SESSIONS], "bare_seconds": [bare]},
    )


def _bare() -> float:
    """Return what so many processes take that are nothing but processes."""
    return sum(seconds([sys.executable, "-c", "pass"]) for _ in range(_PROCESSES))


def _processor_seconds(platform: Platform) -> float:
    """Return what the platform's processes have used, with those that have ended."""
    total = 0.0
    for process in processes.belonging(platform.home):
        with suppress(psutil.Error):
            total += sum(process.cpu_times()[:4])
    return total


async def _measure(platform: Platform, example: str) -> float:
    async with connected(platform, example) as client:
        await client.run()
        start = time.perf_counter()
        settling = asyncio.create_task(_settled(platform, _SESSIONS + 2))
        await _submit(client, _SESSIONS)
        await settling
        return time.perf_counter() - start


async def _submit(client: Client, number: int) -> None:
    room = asyncio.Semaphore(_IN_FLIGHT)

    async def one() -> None:
        async with room:
            await client.run()

    await asyncio.gather(*(one() for _ in range(number)))


async def _settled(platform: Platform, number: int) -> None:
    """Return when so many sessions of the log have ended and are settled in the ledger."""
    ended, settled = 0, 0
    async with aclosing(entries(platform, 0)) as coming:
        async for entry in coming:
            ended += has_ended(entry)
            settled += len(charged(entry))
            if ended >= number and settled >= number:
                return
