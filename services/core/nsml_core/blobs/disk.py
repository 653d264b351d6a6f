"""What a store asks of a disk: room, said in one sentence; plain files; a lock."""

import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nsml_core.errors import Exhausted, Refused

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def room_for(what: str) -> Iterator[None]:
    """Turn the errors of a full disk into one that says for what there was no room."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise _full(what) from None
        raise
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise _full(what) from None
        raise


def _full(what: str) -> Exhausted:
    return Exhausted(f"There is no room on the disk for {what}: free some space and try again.")


def is_file(path: Path) -> bool:
    """Tell whether a path names a file, and no link to one."""
    return path.is_file() and not path.is_symlink()


def alone_in(file: Path) -> int:
    """Return a lock that no other process has."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        sentence = f"Another process serves the store in {file.parent}: stop it first."
        raise Refused(sentence) from None
    return descriptor
