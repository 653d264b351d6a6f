"""Measure ourselves row by row, each figure beside its goal: `python -m bench [ROW…]`."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench import (
    appends,
    burst,
    commands,
    containers,
    figures,
    flood,
    fork,
    gang,
    imports,
    lag,
    latency,
    metrics,
    past,
    postings,
    rebuild,
    restart,
    scheduling,
    start,
    sustained,
    takeover,
    web,
)
from bench.figures import Row

_ROWS: dict[str, Callable[[], Row]] = {
    "latency": latency.measure,
    "sustained": sustained.measure,
    "burst": burst.measure,
    "appends": appends.measure,
    "postings": postings.measure,
    "commands": commands.measure,
    "start": start.measure,
    "imports": imports.measure,
    "containers": containers.measure,
    "fork": fork.measure,
    "past": past.measure,
    "flood": flood.measure,
    "lag": lag.measure,
    "metrics": metrics.measure,
    "rebuild": rebuild.measure,
    "restart": restart.measure,
    "scheduling": scheduling.measure,
    "web": web.measure,
    "gang": gang.measure,
    "takeover": takeover.measure,
}
# Programs of their own, in this folder: they need what is not installed beside the platform.
_PROGRAMS = ("datasets", "peers", "peers.metrics", "peers.web")


def main() -> int:
    arguments = _arguments()
    wanted = {name: measure for name, measure in _ROWS.items() if name in arguments.rows}
    for name, measure in wanted.items():
        print(name, flush=True)
        row = measure()
        figures.save(name, row)
        figures.show(row)
    failed = [name for name in _PROGRAMS if name in arguments.rows and not _program(name)]
    for name in failed:
        print(f"{name} did not come to its end")
    return len(failed)


def _arguments() -> argparse.Namespace:
    every = [*_ROWS, *_PROGRAMS]
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(every)}")
    parser.add_argument("--peers", action="store_true", help="install and measure the peers too")
    parser.add_argument("--traces", metavar="DIR", help="whole traces of real clusters lie here")
    given = parser.parse_args()
    if given.traces:
        os.environ["NSML_TRACES"] = given.traces
    unknown = set(given.rows) - set(every)
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    ours = [name for name in every if given.peers or not name.startswith("peers")]
    given.rows = given.rows or ours
    return given


def _program(name: str) -> bool:
    print(name, flush=True)
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-m", f"bench.{name}"], cwd=root, check=False)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
