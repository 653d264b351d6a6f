"""Tell many random histories of a simulated platform: `python -m tests.simulation`."""

import argparse
import os
import sys
import time

from bench import figures
from bench.figures import Figure, Goal, Row
from tests.simulation.driver import Found, run, run_part, shorten, story_of
from tests.simulation.history import tell
from tests.simulation.services import surroundings

_SHOWN = 5
_SAY_SECONDS = 30.0


def main() -> int:
    given = _arguments()
    if given.history is not None:
        return _repeat(given, given.history, shorter=given.shorten)
    began = said = time.monotonic()
    found = Found()
    for found in run(given.seed, given.histories, given.processes, given.nodes):
        if time.monotonic() - said > _SAY_SECONDS:
            said = time.monotonic()
            print(f"{found.histories} histories, {len(found.failed)} failed", flush=True)
        if given.minutes and time.monotonic() - began > 60 * given.minutes:
            break
    seconds = time.monotonic() - began
    row = _row(found, seconds, given.processes)
    figures.show(row)
    if given.save:
        figures.save("simulation", row)
    for number in sorted(found.failed)[:_SHOWN]:
        _repeat(given, number, shorter=True)
    return int(bool(found.failed))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--histories", type=int, default=1_000)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--nodes", type=int, default=1, help="on several, some sessions are gangs")
    parser.add_argument("--minutes", type=float, help="end after these, however many were told")
    parser.add_argument("--history", type=int, help="tell this one of the seed's again")
    parser.add_argument("--shorten", action="store_true", help="leave out what does not matter")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results")
    return parser.parse_args()


def _repeat(given: argparse.Namespace, number: int, *, shorter: bool) -> int:
    """Tell one history, and print its steps and what was not kept."""
    seed, nodes = given.seed, given.nodes
    story = story_of(seed, number, nodes)
    if shorter and run_part(seed, range(number, number + 1), nodes).failed:
        story = shorten(story)
    with surroundings():
        result = tell(story)
    print(f"--seed {seed} --nodes {nodes} --history {number}: {story.odds}")
    for step in story.steps:
        print(f"  {step}")
    print(f"{result.entries} entries, digest {result.digest[:16]}")
    for violation in result.violations:
        print(f"  {violation}")
    return int(bool(result.violations))


def _row(found: Found, seconds: float, processes: int) -> Row:
    """Return the figures of a run."""
    return Row(
        [
            Figure("histories", found.histories, "histories"),
            Figure("histories that broke a promise", len(found.failed), "histories", Goal("=", 0)),
            Figure("commands and faults, per history", found.steps / found.histories, "steps"),
            Figure("entries of the log, per history", found.entries / found.histories, "entries"),
            Figure("time", seconds, "s"),
            Figure(f"speed with {processes} processes", found.histories / seconds, "histories/s"),
            Figure("processor time", 1_000 * found.seconds / found.histories, "ms/history"),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
