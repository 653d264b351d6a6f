"""How soon the platform is ready, in a fresh home and a known one, and what it holds idle."""

import time

from bench.figures import Figure, Goal, Row, median
from bench.home import Platform, stopped
from nsml_local import processes

_TIMES = 5
_SETTLE_SECONDS = 5.0


def measure() -> Row:
    cold, warm, shared, resident = [], [], [], []
    for _ in range(_TIMES):
        with stopped() as platform:
            cold.append(_up(platform))
            time.sleep(_SETTLE_SECONDS)
            own, all_of_it = _memory(platform)
            shared.append(own)
            resident.append(all_of_it)
            platform.down()
            warm.append(_up(platform))
    return Row(
        [
            Figure("nsml up, fresh home, to ready", median(cold), "s", Goal("≤", 5)),
            Figure("nsml up, known home, to ready", median(warm), "s"),
            Figure("idle memory, pages shared out (PSS)", median(shared), "MB", Goal("≤", 500)),
            Figure("idle memory, resident sets added up", median(resident), "MB"),
        ],
        {"cold": cold, "warm": warm, "shared": shared, "resident": resident},
    )


def _up(platform: Platform) -> float:
    start = time.perf_counter()
    platform.up()
    return time.perf_counter() - start


def _memory(platform: Platform) -> tuple[float, float]:
    """Return what all processes hold, in MB: shared pages counted once, and counted for each."""
    used = [process.memory_full_info() for process in processes.belonging(platform.home)]
    return sum(one.pss for one in used) / 1e6, sum(one.rss for one in used) / 1e6
