"""Samples what the user's code uses, and notices when it takes more memory than it may."""

import asyncio
import time

from nsml_protos import session_pb2
from nsml_runner.conduct import Hearing
from nsml_runner.feed import now_us
from nsml_runner.gpus import Gpus
from nsml_runner.sandbox import Running, Use

FIRST_SAMPLE_SECONDS = 1.0
SAMPLE_SECONDS = 5.0
MEMORY_CHECK_SECONDS = 0.5


class Sampler:
    def __init__(self, running: Running, feed: Hearing, gpus: Gpus, memory_limit: int) -> None:
        self._running = running
        self._feed = feed
        self._gpus = gpus
        self._limit = memory_limit
        self._measured_at = time.monotonic()
        self._cpu_seconds = 0.0

    async def run(self) -> int:
        """Sample until more memory is in use than is allowed, and return how much that is."""
        due = time.monotonic() + FIRST_SAMPLE_SECONDS
        while True:
            await asyncio.sleep(self._pause(due))
            use = await self._measure()
            if self._limit and use.memory_bytes > self._limit:
                return use.memory_bytes
            if time.monotonic() >= due:
                self._feed.usage(await self._sample(use))
                due = time.monotonic() + SAMPLE_SECONDS

    def _pause(self, due: float) -> float:
        until_due = max(due - time.monotonic(), 0.0)
        return min(until_due, MEMORY_CHECK_SECONDS) if self._limit else until_due

    async def _measure(self) -> Use:
        """Pages that processes share count once where it matters; to find that out costs more."""
        use = await asyncio.to_thread(self._running.measure)
        if self._limit and use.memory_bytes > self._limit:
            return await asyncio.to_thread(lambda: self._running.measure(exact=True))
        return use

    async def _sample(self, use: Use) -> session_pb2.Usage:
        now = time.monotonic()
        cores = (use.cpu_seconds - self._cpu_seconds) / max(now - self._measured_at, 0.001)
        self._measured_at, self._cpu_seconds = now, use.cpu_seconds
        utilization, memory = await self._gpus.sample()
        return session_pb2.Usage(
            time_us=now_us(),
            cpu_cores=max(cores, 0.0),
            memory_bytes=use.memory_bytes,
            gpu_utilization=utilization,
            gpu_memory_bytes=memory,
        )
