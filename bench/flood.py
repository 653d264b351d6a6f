"""What a session that prints 100 MB/s costs others: from their print to their follower, each line.

Beside it stands a session that makes the same bytes and throws them away: what the processor costs.
"""

import asyncio
import time
from pathlib import Path

import uvloop

from bench import home
from bench.client import Client, connected
from bench.figures import Figure, Goal, Row, quantile
from bench.home import Platform
from nsml_protos.session_pb2 import STDERR, LogsRequest

_CODE = """
import os, sys, time
kind, seconds = sys.argv[1], float(sys.argv[2])
began = time.time()
if kind == "calm":
    while time.time() < began + seconds:
        print(time.time_ns())
        time.sleep(0.05)
else:
    out = 1 if kind == "flood" else os.open(os.devnull, os.O_WRONLY)
    block, sent = (b"x" * 99 + b"\\n") * 2621, 0
    while time.time() < began + seconds:
        sent += os.write(out, block)
        time.sleep(max(0, began + sent / 100e6 - time.time()))
    print(sent / (time.time() - began), file=sys.stderr)
"""
_ROUNDS = 3
_WARM_SECONDS = 3.0
_CALM_SECONDS = 10.0
_NOISE_SECONDS = _WARM_SECONDS + _CALM_SECONDS + 2
_WARM_LINES = 5
_KINDS = ("quiet", "null", "flood")


def measure() -> Row:
    """Measure calm sessions alone, beside the work of a flood, and beside a flood."""
    with home.running() as platform, home.code(_CODE) as folder:
        waits, rates = uvloop.run(_measure(platform, folder))
    p99 = {kind: quantile(found, 0.99) for kind, found in waits.items()}
    return Row(
        [
            *(
                Figure(f"a line to its follower, {kind}, p{part}", 1e3 * value, "ms")
                for kind, found in waits.items()
                for part, value in ((50, quantile(found, 0.5)), (99, p99[kind]))
            ),
            Figure("the flood", min(rates) / 1e6, "MB/s"),
            Figure(
                "p99 beside a flood, of that alone", p99["flood"] / p99["quiet"], "", Goal("≤", 2)
            ),
            Figure("p99 beside a flood, of that beside its work", p99["flood"] / p99["null"], ""),
        ],
        {**{f"{kind} waits": found for kind, found in waits.items()}, "flood rates": rates},
    )


async def _measure(platform: Platform, folder: Path) -> tuple[dict[str, list[float]], list[float]]:
    waits: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    rates: list[float] = []
    first = await _start(platform, folder, "calm", 0.1)
    async with connected(platform, first) as client:
        for kind in _KINDS * _ROUNDS:
            noise = ""
            if kind != "quiet":
                noise = await _start(platform, folder, kind, _NOISE_SECONDS)
                await asyncio.sleep(_WARM_SECONDS)
            calm = await _start(platform, folder, "calm", _CALM_SECONDS)
            waits[kind] += (await _waits(client, calm))[_WARM_LINES:]
            if noise:
                rates += [await _rate(client, noise)] if kind == "flood" else []
                await _end(client, noise)
    return waits, rates


async def _start(platform: Platform, folder: Path, kind: str, seconds: float) -> str:
    words = ("run", "-g", "0", "-a", f"{kind} {seconds}")
    return (await asyncio.to_thread(platform.nsml, *words, folder=folder)).split()[1]


async def _waits(client: Client, name: str) -> list[float]:
    """Return what each line took from its print to us."""
    found: list[float] = []
    async for reply in client.sessions.Logs(LogsRequest(name=name, follow=True)):
        now = time.time_ns()
        for piece in reply.pieces:
            found += [(now - int(line)) / 1e9 for line in piece.data.split() if line.isdigit()]
    return found


async def _end(client: Client, name: str) -> None:
    async for _ in client.sessions.Logs(LogsRequest(name=name, follow=True, pattern="^$")):
        pass


async def _rate(client: Client, name: str) -> float:
    """Return how fast a flood was, by its last word."""
    await _end(client, name)
    wanted = LogsRequest(name=name, tail=1, sources=[STDERR])
    lines = [piece.data async for reply in client.sessions.Logs(wanted) for piece in reply.pieces]
    return float(lines[-1])
