"""Say in one sentence that a disk is full."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from nsml_core.errors import Exhausted

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
