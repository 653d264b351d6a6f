"""Several ordeals at once, each in a process of its own, and one terminal for all of them."""

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context

from tests.faults import figures
from tests.faults.ordeal import Ordeal, Report, undergo


def undergo_all(ordeals: Sequence[Ordeal], at_once: int) -> Iterator[Report]:
    """Yield the reports as they come; Ctrl-C reaches each of them, and each leaves nothing."""
    with ProcessPoolExecutor(at_once, mp_context=get_context("spawn")) as processes:
        try:
            running = [processes.submit(_undergo, ordeal) for ordeal in ordeals]
            for done in as_completed(running):
                report = done.result()
                for line in figures.lines(report):
                    say(report.ordeal.seed, line)
                yield report
        except BaseException:
            processes.shutdown(wait=False, cancel_futures=True)
            raise


def _undergo(ordeal: Ordeal) -> Report:
    return undergo(ordeal, partial(say, ordeal.seed))


def say(seed: int, said: str) -> None:
    """Print a line of an ordeal."""
    sys.stdout.write(f"[{seed}] {said}\n")
    sys.stdout.flush()
