"""Durable appends by 128 writers, beside a bare loop of atomic batches on the same server."""

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable

import uvloop
from nats.aio.client import Client

from bench.figures import Figure, Goal, Row, median
from bench.home import Platform, stopped
from nsml_core import log
from nsml_core.committer import Append
from nsml_core.jetstream import connected
from nsml_core.log import Log
from nsml_core.settings import read
from nsml_local import embedded
from nsml_local import home as homes

_WRITERS = 128
_SECONDS = 2.0
_ROUNDS = 5
_DATA = bytes(300)

Write = Callable[[str, int], Awaitable[int]]
"""Appends one entry to a subject whose last one has this sequence; returns the new one's."""


def measure() -> Row:
    with stopped() as platform:
        embedded.up(platform.home, lambda _: None, services=())
        ours, bare = uvloop.run(_rounds(platform))
    ratio = median([mine / theirs for mine, theirs in zip(ours, bare, strict=True)])
    return Row(
        [
            Figure("durable appends, 128 writers", median(ours), "appends/s"),
            Figure("bare loop of atomic batches, 128 writers", median(bare), "appends/s"),
            Figure("ours for each of the bare loop's", ratio, "ratio", Goal("≥", 0.8)),
        ],
        {"ours": ours, "bare": bare},
    )


async def _rounds(platform: Platform) -> tuple[list[float], list[float]]:
    at = homes.find(platform.home)
    assert at is not None  # noqa: S101 - it was just made
    urls = {"NSML_NATS_URL": at.nats_url, "NSML_NATS_MONITOR_URL": at.monitor_url}
    settings = read({**platform.environment, **urls})
    ours, bare = [], []
    async with log.connect(settings, "bench") as ours_to, connected(at.nats_url, "bare") as client:
        for _ in range(_ROUNDS):
            ours.append(await _rate(_through(ours_to)))
            loop = BareLoop(client)
            bare.append(await _rate(loop.write))
            loop.close()
    return ours, bare


async def _rate(write: Write) -> float:
    """Return how many appends a second all writers together reach."""
    run, start = uuid.uuid4().hex, time.perf_counter()
    until = start + _SECONDS

    async def writer(number: int) -> int:
        subject, sequence, written = f"nsml.bench.{run}-{number}", 0, 0
        while time.perf_counter() < until:
            sequence = await write(subject, sequence)
            written += 1
        return written

    written = await asyncio.gather(*(writer(number) for number in range(_WRITERS)))
    return sum(written) / (time.perf_counter() - start)


def _through(connected: Log) -> Write:
    async def write(subject: str, expected: int) -> int:
        return await connected.append(Append(subject, _DATA, expected, uuid.uuid4().hex))

    return write


class BareLoop:
    """Everything that waits goes into the next atomic batch; no retry, no second thought."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._waiting: list[tuple[str, int, asyncio.Future[int]]] = []
        self._some = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def write(self, subject: str, expected: int) -> int:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((subject, expected, future))
        self._some.set()
        return await future

    def close(self) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            await self._some.wait()
            self._some.clear()
            batch, self._waiting = self._waiting, []
            if batch:
                await self._commit(batch)

    async def _commit(self, batch: list[tuple[str, int, asyncio.Future[int]]]) -> None:
        name = uuid.uuid4().hex
        messages = [
            (subject, _headers(name, number, expected))
            for number, (subject, expected, _) in enumerate(batch, 1)
        ]
        for subject, headers in messages[:-1]:
            await self._client.publish(subject, _DATA, headers=headers)
        subject, headers = messages[-1]
        headers["Nats-Batch-Commit"] = "1"
        reply = await self._client.request(subject, _DATA, timeout=10, headers=headers)
        last = json.loads(reply.data)["seq"]
        for back, (_, _, future) in enumerate(reversed(batch)):
            future.set_result(last - back)


def _headers(batch: str, number: int, expected: int) -> dict[str, str]:
    return {
        "Nats-Expected-Last-Subject-Sequence": str(expected),
        "Nats-Batch-Id": batch,
        "Nats-Batch-Sequence": str(number),
    }
