"""What files consisted of when they were last pushed, so that an unchanged file is not read again.

A file is trusted to be unchanged while its size, times and inode are the same. The inode's change
time cannot be set by hand; but a file may change twice within one tick of it, so that what had
changed just before it was read is not remembered.
"""

import sqlite3
import threading
import time
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nsml_core.blobs.disk import room_for
from nsml_core.blobs.scan import Found, Signature
from nsml_core.blobs.tree import Content
from nsml_core.errors import Refused

_SCHEMA = """
create table if not exists folder (id integer primary key, path text not null unique);
create table if not exists file (
    folder integer not null, path text not null,
    size integer not null, mtime integer not null, ctime integer not null, inode integer not null,
    ids blob not null, sizes blob not null,
    primary key (folder, path)
) without rowid;
"""
_VERSION = 1  # of this schema and of the way that content is cut
_SETTLED_NS = 2_000_000_000  # the coarsest tick of file systems, and small differences of clocks

Known = dict[str, tuple[Signature, Content]]


class StatCache:
    """One file for all folders of a person; may be deleted at any time."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file
        self._lock = threading.Lock()
        with self._usable():
            self._connection = _open(file)

    def load(self, folder: Path) -> Known:
        """Return what is known of the files in this folder."""
        with self._usable():
            rows = self._connection.execute(
                "select file.path, size, mtime, ctime, inode, ids, sizes"
                " from file join folder on folder.id = file.folder where folder.path = ?",
                (str(folder),),
            )
            return {
                path: (Signature(*signature), Content(ids, _unpack(sizes)))
                for path, *signature, ids, sizes in rows
            }

    def save(self, folder: Path, read: Iterable[tuple[Found, Content, int]]) -> None:
        """Remember what these files consist of; each with the time at which reading it began."""
        with self._usable(), self._connection:
            number = self._number(folder)
            rows = [
                (number, found.path, *found.signature, content.ids, _pack(content.sizes))
                for found, content, began_ns in read
                if found.signature.ctime_ns + _SETTLED_NS < began_ns
            ]
            self._connection.executemany(
                "insert or replace into file values (?, ?, ?, ?, ?, ?, ?, ?)", rows
            )

    def forget(self, folder: Path, paths: Iterable[str]) -> None:
        """Drop what is known of files that are no more."""
        with self._usable(), self._connection:
            number = self._number(folder)
            self._connection.executemany(
                "delete from file where folder = ? and path = ?",
                [(number, path) for path in paths],
            )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """Hold the lock; turn what is wrong with the file into a sentence: it is only a cache."""
        try:
            with self._lock, room_for("the cache of file times"):
                yield
        except sqlite3.DatabaseError as error:
            sentence = f"The cache {self._file} cannot be used ({error}): delete it and try again."
            raise Refused(sentence) from None

    def _number(self, folder: Path) -> int:
        self._connection.execute("insert or ignore into folder (path) values (?)", (str(folder),))
        row = self._connection.execute("select id from folder where path = ?", (str(folder),))
        return int(row.fetchone()[0])


def now_ns() -> int:
    """Return the time in the terms of file times."""
    return time.time_ns()


def _open(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, check_same_thread=False, timeout=30)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = normal")
    (version,) = connection.execute("pragma user_version").fetchone()
    if version != _VERSION:
        connection.executescript("drop table if exists file; drop table if exists folder;")
        connection.execute(f"pragma user_version = {_VERSION}")
    connection.executescript(_SCHEMA)
    return connection


def _pack(sizes: tuple[int, ...]) -> bytes:
    return array("I", sizes).tobytes()


def _unpack(sizes: bytes) -> tuple[int, ...]:
    return tuple(array("I", sizes))
