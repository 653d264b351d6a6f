"""Damage files on purpose, one after the other: `python -m tests.faults.damage --log 300`."""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, aclosing
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random

from bench import figures
from bench.figures import Figure, Goal, Row
from nsml_local import servers
from tests.faults import damage_archive, damage_blobs, damage_log
from tests.faults.verdict import Verdict
from tests.folders import remove


def _chances(seed: int, what: str) -> Iterator[Random]:
    return (Random(f"{seed} {what} {number}") for number in count(1))  # noqa: S311 - repeatable


async def in_the_log(seed: int, times: int) -> AsyncGenerator[Verdict, None]:
    """Yield what became of injuries to the files of the log."""
    async with damage_log.at_rest() as original:
        for _, chance in zip(range(times), _chances(seed, "log"), strict=False):
            yield await damage_log.injure(original, chance)


async def in_the_archive(seed: int, times: int) -> AsyncGenerator[Verdict, None]:
    """Yield what became of injuries to archived rows."""
    async with damage_log.at_rest() as original:
        with damage_archive.log_running(original) as config:
            for _, chance in zip(range(times), _chances(seed, "archive"), strict=False):
                yield await damage_archive.alter(config, chance)


async def in_the_database(seed: int, times: int) -> AsyncGenerator[Verdict, None]:
    """Yield what became of injuries to the files of the archive."""
    with ExitStack() as stack:
        folder, still = (Path(tempfile.mkdtemp(prefix="nsml-")) for _ in range(2))
        stack.callback(remove, folder)
        stack.callback(remove, still)
        stack.enter_context(servers.nats_server(folder))
        with servers.postgres(folder) as url:
            config = replace(damage_log.settings_of(folder), postgres_url=url)
            await damage_log.live(config, folder, 12)
            paths = await damage_archive.files(config)
        shutil.copytree(folder / "postgres", still / "postgres", symlinks=True)
        shutil.copy(folder / "embedded.json", still)
        for _, chance in zip(range(times), _chances(seed, "database"), strict=False):
            yield await damage_archive.injure_files(still, paths, config, chance)


async def in_the_blobs(seed: int, times: int) -> AsyncGenerator[Verdict, None]:
    """Yield what became of injuries to packs and to the index of them."""
    chances = _chances(seed, "blobs")
    with damage_blobs.stored(next(chances)) as original:
        for _, chance in zip(range(times), chances, strict=False):
            yield damage_blobs.injure(original, chance)


WHERE = {
    "log": in_the_log,
    "archive": in_the_archive,
    "database": in_the_database,
    "blobs": in_the_blobs,
}


async def tally(where: str, seed: int, times: int, *, aloud: bool = False) -> Counter[str]:
    """Count what became of so many injuries; what nobody found is always said."""
    found: Counter[str] = Counter()
    async with aclosing(WHERE[where](seed, times)) as verdicts:
        async for verdict in verdicts:
            found[verdict.outcome] += 1
            if aloud or verdict.outcome == "missed":
                sys.stdout.write(f"{where}: {verdict}\n")
    sys.stdout.write(f"{where}: {dict(found)}\n")
    return found


def _row(tallies: dict[str, Counter[str]]) -> Row:
    done = sum(sum(tally.values()) for tally in tallies.values())
    missed = sum(tally["missed"] for tally in tallies.values())
    each = [
        Figure(f"{where}, {outcome}", times, "")
        for where, tally in tallies.items()
        for outcome, times in sorted(tally.items())
    ]
    return Row(
        [Figure("injuries", done, ""), Figure("missed", missed, "", Goal("=", 0)), *each], {}
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.damage", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--aloud", action="store_true", help="say what became of each")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results")
    for where in WHERE:
        parser.add_argument(f"--{where}", type=int, default=0, metavar="N")
    given = parser.parse_args()
    os.environ |= {"NSML_USER": "ann", "NSML_OPENING_CREDIT": "100"}  # of whom the log tells
    tallies = {
        where: asyncio.run(tally(where, given.seed, times, aloud=given.aloud))
        for where in WHERE
        if (times := getattr(given, where))
    }
    if given.save:
        figures.save("damage", _row(tallies))
    return int(any(tally["missed"] for tally in tallies.values()))


if __name__ == "__main__":
    sys.exit(main())
