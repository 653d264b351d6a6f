"""Where machines have their disks, in a folder that is removed even if a run of tests is killed."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "nsml-swarm-"
_MEMORY = Path("/dev/shm")
_DISKS_BYTES, _PROGRAMS_BYTES = 4_000_000_000, 3_000_000_000


class Unavailable(Exception):
    """Such machines cannot be made here: the reason."""


@contextmanager
def made() -> Iterator[Path]:
    """A folder, for as long as the block runs."""
    room = _roomy()
    _sweep(room)
    place = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=room))
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield place
        finally:
            _remove(place)


def _sweep(room: Path) -> None:
    """Remove what runs that were killed have left: nobody holds the lock any more."""
    for place in room.glob(f"{_PREFIX}*"):
        with suppress(FileNotFoundError, BlockingIOError), (place / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(place)


def _roomy() -> Path:
    """Return where the machines' disks fit: into memory, if they do, with their 75,000 files."""
    told = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(told["MemAvailable"].split()[0]) * 1024
    if available < _PROGRAMS_BYTES:
        raise Unavailable(f"the machines need 3 GB of memory, and {available / 1e9:.1f} are free")
    in_memory = available > _PROGRAMS_BYTES + _DISKS_BYTES and _MEMORY.is_mount()
    room = _MEMORY if in_memory else Path(tempfile.gettempdir())
    if (free := shutil.disk_usage(room).free) < _DISKS_BYTES:
        raise Unavailable(f"the machines' disks need 4 GB, and {room} has {free / 1e9:.1f}")
    return room


def _remove(place: Path) -> None:
    """Remove what the machines have left on this host: files and empty control groups."""
    root = Path("/sys/fs/cgroup")  # of each controller, or of all of them
    for groups in [*root.glob(f"*/{place.name}"), *root.glob(place.name)]:
        for folder, _, _ in os.walk(groups, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()
    shutil.rmtree(place)
