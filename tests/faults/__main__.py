"""Break platforms on purpose and check what is left of them: `python -m tests.faults --seed 1`."""

import argparse
import sys
from itertools import islice
from pathlib import Path

from tests.faults import figures
from tests.faults.ordeal import Ordeal, Report
from tests.faults.plan import TARGETS, Deed, faults
from tests.faults.side_by_side import say, undergo_all

_INTERRUPTED = 130


def main() -> int:
    given = _arguments()
    ordeals = [
        Ordeal(seed, given.kills, given.only, given.deed, given.keep) for seed in given.seeds
    ]
    if given.plan:
        for ordeal in ordeals:
            for fault in islice(faults(ordeal.seed, ordeal.only, ordeal.deeds), ordeal.kills):
                say(ordeal.seed, str(fault))
        return 0
    reports: list[Report] = []
    try:
        for report in undergo_all(ordeals, given.at_once):
            reports.append(report)
            if given.save:
                figures.save(reports)
    except KeyboardInterrupt:
        return _INTERRUPTED
    return int(any(report.violations for report in reports))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    add = parser.add_argument
    add("--seed", dest="seeds", type=int, action="append", metavar="S", help="a platform for each")
    add("--seeds", dest="many", type=int, metavar="N", help="the seeds from 1 to N")
    add("--kills", type=int, default=20, metavar="N", help="for each seed")
    add("--at-once", type=int, default=1, metavar="P", help="platforms side by side")
    add("--only", action="append", choices=TARGETS, default=[], metavar="TARGET")
    add("--deed", action="append", type=Deed, default=[], choices=list(Deed))
    add("--plan", action="store_true", help="say what would be broken, and break nothing")
    add("--keep", type=Path, metavar="FOLDER", help="for the logs of a run with violations")
    add("--save", action="store_true", help="keep the figures in bench/results")
    given = parser.parse_args()
    given.seeds = given.seeds or list(range(1, (given.many or 1) + 1))
    return given


if __name__ == "__main__":
    sys.exit(main())
