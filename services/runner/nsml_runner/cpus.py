"""Gives each session CPUs of its own, as far as there are enough for all."""

import contextlib
import fcntl
import os
import random
import sys
from pathlib import Path


def pin(pid: int, count: int, locks: Path) -> contextlib.ExitStack:
    """Bind a process to so many CPUs."""
    chosen, holds = choose(count, locks)
    if chosen:
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(pid, chosen)
    return holds


def choose(count: int, locks: Path) -> tuple[list[int], contextlib.ExitStack]:
    """Choose CPUs, at first those that no other session holds; none: there is no need to.

    A CPU is held by a lock on a file: the kernel lets it go when the holder dies.
    """
    holds = contextlib.ExitStack()
    if sys.platform != "linux":
        return [], holds
    usable = sorted(os.sched_getaffinity(0))
    if not 0 < count < len(usable):
        return [], holds
    random.shuffle(usable)
    locks.mkdir(parents=True, exist_ok=True)
    chosen: list[int] = []
    for cpu in usable:
        if len(chosen) < count and take(locks / str(cpu), holds):
            chosen.append(cpu)
    others = [cpu for cpu in usable if cpu not in chosen]
    return chosen + others[: count - len(chosen)], holds


def take(path: Path, holds: contextlib.ExitStack) -> bool:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    holds.callback(os.close, descriptor)
    return True
