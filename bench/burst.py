"""What becomes of a thousand submissions at once: all acknowledged or refused, and how soon."""

import asyncio
import time

import grpc

from bench.client import Client, connected
from bench.figures import Figure, Goal, Row, quantile
from bench.home import Platform, code, running

_SUBMISSIONS = 1000


def measure() -> Row:
    with running() as platform, code("") as folder:
        platform.nsml("run", "-f", folder=folder)
        example = platform.nsml("ps", "-a", "-q").split()[0]
        answers = asyncio.run(_burst(platform, example))
        listed = set(platform.nsml("ps", "-a", "-q").split())
    taken = [name for name, _ in answers if name in listed]
    refused = [reason for reason, _ in answers if reason.startswith("refused: ")]
    waits = [wait for _, wait in answers]
    answered = len(set(taken)) + len(refused)
    return Row(
        [
            Figure("1,000 at once: answered", answered, "", Goal("=", _SUBMISSIONS)),
            Figure("1,000 at once: refused with a reason", len(refused), ""),
            Figure("1,000 at once: p50 of the answer", quantile(waits, 0.5), "s"),
            Figure("1,000 at once: p99 of the answer", quantile(waits, 0.99), "s", Goal("≤", 2)),
        ],
        {"waits": waits},
    )


async def _burst(platform: Platform, example: str) -> list[tuple[str, float]]:
    async with connected(platform, example) as client:
        await client.run()
        return await asyncio.gather(*(_submit(client) for _ in range(_SUBMISSIONS)))


async def _submit(client: Client) -> tuple[str, float]:
    """Return the session's name, or why it was refused, and how long the answer took."""
    start = time.perf_counter()
    try:
        answer = (await client.run()).name
    except grpc.aio.AioRpcError as error:
        answer = f"refused: {error.details()}" if error.details() else "lost"
    return answer, time.perf_counter() - start
