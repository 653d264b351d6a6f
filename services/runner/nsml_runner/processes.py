"""Finds the processes below this one, at a cost that a session of a few milliseconds can bear."""

import asyncio
import contextlib
import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

PR_SET_CHILD_SUBREAPER = 36
PROC_CHILDREN = Path("/proc/thread-self/children").exists()
"""Not every kernel lists the children of a thread; elsewhere all processes are looked at."""


def adopt_orphans() -> None:
    """Make this process the parent of every orphan below it, so that none escapes by `setsid`."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children(pid: int) -> list[int]:
    if not PROC_CHILDREN:
        with contextlib.suppress(psutil.NoSuchProcess):
            return [child.pid for child in psutil.Process(pid).children()]
        return []
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                content = (task / "children").read_text("ascii")
                found += [int(child) for child in content.split()]
    return found


def descendants(pid: int, *, besides: frozenset[int] = frozenset()) -> Iterator[int]:
    """Parents before their children; `besides` are children to leave out, with all below them."""
    for child in children(pid):
        if child not in besides:
            yield child
            yield from descendants(child)


def reap(besides: frozenset[int]) -> None:
    """Take leave of dead orphans that became this process's children."""
    for child in children(os.getpid()):
        if child not in besides:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, os.WNOHANG)


async def exit_of(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a child: without a signal handler, if possible without a thread."""
    if sys.platform != "linux":
        await asyncio.to_thread(process.wait)
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    descriptor = os.pidfd_open(process.pid)
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
