"""Metrics: what a report costs the loop, how soon points are seen, and how fast they are read."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg

from bench import reporting
from bench.client import connected
from bench.figures import Figure, Goal, Row, median, quantile
from bench.home import Platform, code, running
from bench.runner import Line, line
from nsml_local import home as homes
from nsml_protos.session_pb2 import LogsRequest, MetricsRequest

_POINTS = 100_000
_TIMES = 15
_STEP_NS = 1_000_000
_KEPT = 200
"""Of many raw values so many are kept."""
_LOOK_SECONDS = 0.005
_STORED = (
    "select (select pg_total_relation_size('session_frames.chunk')), "
    "(select sum(count) from session_frames.chunk), "
    "(select count(*) from session_frames.points where name = $1)"
)

Raw = dict[str, list[float]]


def measure() -> Row:
    source = Path(reporting.__file__).read_text(encoding="utf-8")
    with running(cpus=1) as platform, code(source) as folder:
        platform.nsml("run", folder=folder)
        platform.nsml("run", folder=folder)
        second, first = platform.nsml("ps", "-a", "-q").split()
        raw, bytes_a_point = asyncio.run(_measure(platform, first, second))
    alone = _with_a_runner_that_hangs(source)
    raw |= {f"{name}, nobody reads": values for name, values in alone.items()}
    found = [*_of_the_loop(raw), *_of_the_service(raw, bytes_a_point)]
    return Row(found, {name: values[:: 1 + len(values) // _KEPT] for name, values in raw.items()})


def _of_the_loop(raw: Raw) -> Sequence[Figure]:
    added = _added(raw["cold"], raw["others"])
    hung = _added(raw["cold, nobody reads"], raw["others, nobody reads"])
    return [
        Figure("report of one scalar, p50", median(raw["one"]), "µs", Goal("≤", 5)),
        Figure("report of one scalar, p99", quantile(raw["one"], 0.99), "µs", Goal("≤", 30)),
        Figure("report of ten series, p50", median(raw["ten"]), "µs", Goal("≤", 10)),
        Figure("report of ten series, p99", quantile(raw["ten"], 0.99), "µs", Goal("≤", 50)),
        Figure("a report in a step of 1 ms, all threads", added, "% more", Goal("≤", 1)),
        Figure("… while nobody takes the reports", hung, "% more", Goal("≤", 1)),
    ]


def _of_the_service(raw: Raw, bytes_a_point: float) -> Sequence[Figure]:
    told, typed = _POINTS / median(raw["told"]), _POINTS / median(raw["from the script"])
    return [
        Figure("ten series × 10,000, to the service", told, "points/s", Goal("≥", 400_000)),
        Figure("… from the script's first report on", typed, "points/s"),
        Figure("one point: reported to seen, median", median(raw["seen"]), "s", Goal("≤", 0.2)),
        Figure("one point: reported to seen, p90", quantile(raw["seen"], 0.9), "s"),
        Figure("100,000 points: all", median(raw["all"]), "ms", Goal("≤", 60)),
        Figure("… as 1,000 buckets", median(raw["buckets"]), "ms", Goal("≤", 10)),
        Figure("stored for a noisy point", bytes_a_point, "bytes", Goal("≤", 12)),
    ]


def _added(cold: Sequence[float], others: Sequence[float]) -> float:
    """Return what a report adds to a millisecond: to the loop's thread, and by others beside it.

    Each is timed by itself: two loops, with reports and without, differ more by who else runs.
    """
    return 100 * (median(cold) + median(others)) / _STEP_NS


async def _measure(platform: Platform, first: str, second: str) -> tuple[Raw, float]:
    async with connected(platform, first) as client:
        looking = asyncio.create_task(_until_queryable(client.sessions, first))
        seen = await _seen(client.sessions, first)
        found = _told(await _output(client.sessions, first))
        raw: Raw = {name: [each / 1000 for each in found[name]] for name in ("one", "ten")}
        raw |= {"cold": found["cold"], "others": found["others"], "seen": seen}
        raw["from the script"] = [await looking - found["began"][0]]
        async with line(platform, second) as runner:
            raw["told"] = [await _tell(client.sessions, runner, second, at) for at in range(5)]
            await runner.tell(runner.frames(["long"], _POINTS))
            request = MetricsRequest(name=second, series=["long"])
            raw["all"] = await _reads(client.sessions, request)
            request.buckets = 1000
            raw["buckets"] = await _reads(client.sessions, request)
            await runner.end()
        bytes_a_point = await _stored(platform, second)
    return raw, bytes_a_point


async def _seen(sessions: Any, name: str) -> list[float]:
    """Watch the time that the script reports, and return how late each was."""
    late = []
    async for news in sessions.WatchMetrics(MetricsRequest(name=name, series=["now"])):
        now = time.time()
        if not news.anew:
            late += [now - value for series in news.series for value in series.values]
        if len(late) == reporting.SEEN:
            break
    return late


async def _until_queryable(sessions: Any, name: str) -> float:
    """Return when the script's ten series could be read whole."""
    request = MetricsRequest(name=name, series=["b?"], buckets=1)
    while True:
        reply = await sessions.Metrics(request)
        if sum(sum(series.counts) for series in reply.series) == 10 * reporting.TENS:
            return time.time()
        await asyncio.sleep(_LOOK_SECONDS)


async def _output(sessions: Any, name: str) -> str:
    whole = b""
    async for reply in sessions.Logs(LogsRequest(name=name, follow=True)):
        whole += b"".join(piece.data for piece in reply.pieces)
        if reporting.END.encode() in whole:
            break
    return whole.decode()


def _told(printed: str) -> Raw:
    """Return what the loop found, from the lines that it has printed."""
    found: Raw = {}
    for line_ in printed.splitlines():
        if line_.startswith("["):
            name, values = json.loads(line_)
            found.setdefault(name, []).extend(values)
    return found


async def _tell(sessions: Any, runner: Line, name: str, at: int) -> float:
    """Return how long 100,000 points take until they have been read back."""
    frames = runner.frames([f"told{at}/{number}" for number in range(10)], _POINTS // 10)
    start = time.perf_counter()
    await runner.tell(frames)
    reply = await sessions.Metrics(MetricsRequest(name=name, series=[f"told{at}/*"]))
    taken = time.perf_counter() - start
    assert sum(len(series.values) for series in reply.series) == _POINTS  # noqa: S101 - else the figure is none
    return taken


async def _stored(platform: Platform, name: str) -> float:
    """Wait until every point is in a chunk, and return what one takes."""
    at = homes.find(platform.home)
    assert at is not None  # noqa: S101 - it runs
    database = await asyncpg.connect(at.postgres_url)
    try:
        while True:
            row = await database.fetchrow(_STORED, name)
            assert row is not None  # noqa: S101 - it selects no rows but numbers
            if not row[2]:
                return float(row[0] / row[1])
            await asyncio.sleep(_LOOK_SECONDS)
    finally:
        await database.close()


async def _reads(sessions: Any, request: MetricsRequest) -> list[float]:
    taken = []
    for _ in range(_TIMES):
        start = time.perf_counter()
        await sessions.Metrics(request)
        taken.append(1000 * (time.perf_counter() - start))
    return taken


def _with_a_runner_that_hangs(source: str) -> Raw:
    """Run the loop beside a socket that nobody reads."""
    with (
        tempfile.TemporaryDirectory(prefix="nsml-bench-") as folder,
        socket.socket(socket.AF_UNIX) as listener,
    ):
        listener.bind(f"{folder}/sdk.sock")
        listener.listen()
        environment = {**os.environ, "NSML_SOCKET": f"{folder}/sdk.sock"}
        done = subprocess.run(
            [sys.executable, "-c", source],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
    found = _told(done.stdout)
    return {"cold": found["cold"], "others": found["others"]}
