"""How soon user code runs: from the typed command, and from the call that it makes."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

from bench.client import Client, connected
from bench.figures import Figure, Goal, Row, median, quantile
from bench.home import NSML, Platform, code, running
from bench.timing import seconds

_TIMES = 25
_SOURCE = "import time\nprint(time.time_ns(), flush=True)\n"


def measure() -> Row:
    with running() as platform, code(_SOURCE) as folder:
        platform.nsml("run", "-f", folder=folder)  # uploads, and builds the environment
        example = platform.nsml("ps", "-a", "-q").split()[0]
        typed, shown, called, bare = asyncio.run(_rounds(platform, folder, example))
    return Row(
        [
            Figure("run -f, typed to user code, median", median(typed), "s", Goal("≤", 0.4)),
            Figure("run -f, typed to user code, p90", quantile(typed, 0.9), "s"),
            Figure("run -f, typed to its line on the screen, median", median(shown), "s"),
            Figure("Run RPC to user code, median", median(called), "s", Goal("≤", 0.15)),
            Figure("Run RPC to user code, p90", quantile(called, 0.9), "s"),
            Figure("bare `python -c pass`, in between", median(bare), "s"),
            Figure("run -f, in bare processes", median(typed) / median(bare), "ratio"),
            Figure("Run RPC, in bare processes", median(called) / median(bare), "ratio"),
        ],
        {"typed": typed, "shown": shown, "called": called, "bare": bare},
    )


async def _rounds(
    platform: Platform, folder: Path, example: str
) -> tuple[list[float], list[float], list[float], list[float]]:
    typed, shown, called, bare = [], [], [], []
    async with connected(platform, example) as client:
        for _ in range(_TIMES):
            to_code, to_screen = await asyncio.to_thread(_type, platform, folder)
            typed.append(to_code)
            shown.append(to_screen)
            called.append(await _call(client))
            bare.append(await asyncio.to_thread(seconds, [sys.executable, "-c", "pass"]))
    return typed, shown, called, bare


def _type(platform: Platform, folder: Path) -> tuple[float, float]:
    """Run the command, and return when its code ran and when its first line was on the screen."""
    start = time.time_ns()
    words = [NSML, "run", "-f"]
    with subprocess.Popen(
        words,
        env=platform.environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        line = next(line for line in process.stdout if line.strip().isdigit())
        seen = time.time_ns()
        process.stdout.read()
    return (int(line) - start) / 1e9, (seen - start) / 1e9


async def _call(client: Client) -> float:
    start = time.time_ns()
    session = await client.run()
    return (int(await client.first_output(session.name)) - start) / 1e9
