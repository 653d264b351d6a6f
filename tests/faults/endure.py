"""Trouble other than kills, judged by the same checker: `python -m tests.faults.endure`."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from random import Random

from bench import figures
from bench.figures import Figure, Goal, Row
from tests.faults import figures as shown
from tests.faults.ordeal import Ordeal, Report, judge, using
from tests.faults.troubles import TROUBLES, Doings
from tests.platform.platforms import platform


def endure(name: str, seed: int, seconds: float) -> tuple[Report, Doings]:
    """Let people use a platform that is in trouble for so long, and have it checked."""
    began = time.monotonic()
    ordeal, doings = Ordeal(seed, 0), Doings()
    report = Report(ordeal)
    with platform() as here:
        trouble = TROUBLES[name](here, Random(f"{seed} {name}"), doings)  # noqa: S311 - repeatable
        with using(here, ordeal) as people, trouble:
            time.sleep(seconds)
        here.nsml("up")
        for person in people:
            person.wait_until_idle(ordeal.drained_seconds)
        judge(here, people, report)
    report.seconds = time.monotonic() - began
    return report, doings


def _row(found: Sequence[tuple[str, Report, Doings]]) -> Row:
    violations = sum(len(report.violations) for _, report, _ in found)
    rows = [Figure("violations", violations, "", Goal("=", 0))]
    for name, report, doings in found:
        rows += [Figure(f"{name}: {what}", times, "") for what, times in sorted(doings.items())]
        outcomes = Counter(command.outcome for command in report.commands)
        rows += [Figure(f"{name}: commands {what}", n, "") for what, n in sorted(outcomes.items())]
        rows.append(Figure(f"{name}: entries checked", report.entries, ""))
    return Row(rows, {"seeds": [report.ordeal.seed for _, report, _ in found]})


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.endure", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each trouble")
    parser.add_argument("--only", action="append", choices=TROUBLES, default=[])
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results")
    given = parser.parse_args()
    found = []
    for name in given.only or TROUBLES:
        report, doings = endure(name, given.seed, given.seconds)
        found.append((name, report, doings))
        sys.stdout.write(f"{name}: {dict(doings)}\n")
        sys.stdout.writelines(f"{line}\n" for line in shown.lines(report))
    if given.save:
        figures.save("troubles", _row(found))
    return int(any(report.violations for _, report, _ in found))


if __name__ == "__main__":
    sys.exit(main())
