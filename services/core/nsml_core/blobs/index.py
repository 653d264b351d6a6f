"""Where each blob of a store is: a table that can be made again from the packs.

SQLite, because millions of rows must not be held in memory, and because it survives a crash; it
is not synced at every change, since what a power cut takes from it the packs give back.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from nsml_core.blobs.pack import Pack
from nsml_core.errors import Damaged

FILE = "index.sqlite"

_SCHEMA = """
create table if not exists pack (
    number integer primary key, name text not null unique, bytes integer not null);
create table if not exists blob (
    id blob primary key, pack integer not null, "offset" integer not null, size integer not null
) without rowid;
create table if not exists tree (
    id text primary key, files integer not null, bytes integer not null) without rowid;
"""
_FIND = """
select blob.id, name, "offset", size from blob join pack on number = pack where blob.id in ({})
"""
_SIZES = "select id, size from blob where id in ({})"
_ASKED_AT_ONCE = 500
_CACHE_KIB = 64 << 10


class Extent(NamedTuple):
    """Where a blob is."""

    pack: str
    offset: int
    size: int


NOWHERE = Extent("", 0, 0)


class Index:
    """The table; used by one process, from any of its threads."""

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(folder / FILE, check_same_thread=False)
        try:
            with _sound():
                self._connection.execute("pragma journal_mode = wal")
                self._connection.execute("pragma synchronous = normal")
                self._connection.execute(f"pragma cache_size = -{_CACHE_KIB}")
                self._connection.executescript(_SCHEMA)
        except Damaged:
            self.close()
            raise

    def close(self) -> None:
        """Close the table."""
        self._connection.close()

    def find(self, ids: Sequence[bytes]) -> dict[bytes, Extent]:
        """Return where these blobs are; those that are not stored are left out."""
        found: dict[bytes, Extent] = {}
        for at in range(0, len(ids), _ASKED_AT_ONCE):
            some = ids[at : at + _ASKED_AT_ONCE]
            rows = self._read(_FIND.format(_marks(some)), some)
            found.update((identity, Extent(*extent)) for identity, *extent in rows)
        return found

    def sizes(self, ids: Sequence[bytes]) -> dict[bytes, int]:
        """Return how large these blobs are; those that are not stored are left out."""
        found: dict[bytes, int] = {}
        for at in range(0, len(ids), _ASKED_AT_ONCE):
            some = ids[at : at + _ASKED_AT_ONCE]
            found.update(self._read(_SIZES.format(_marks(some)), some))
        return found

    def add(self, pack: Pack, size: int) -> int:
        """Add what a pack holds; return how many of its blobs are new. Asked again: none."""
        rows = sorted(pack.extents())
        with self._lock, _sound(), self._connection as connection:
            connection.execute(
                "insert or ignore into pack (name, bytes) values (?, ?)", (pack.name, size)
            )
            (number,) = connection.execute(
                "select number from pack where name = ?", (pack.name,)
            ).fetchone()
            cursor = connection.executemany(
                "insert or ignore into blob values (?, ?, ?, ?)",
                ((identity, number, offset, length) for identity, offset, length in rows),
            )
            return cursor.rowcount

    def remove(self, name: str) -> None:
        """Forget a pack, what only it holds, and which trees were whole."""
        with self._lock, _sound(), self._connection as connection:
            connection.execute(
                "delete from blob where pack = (select number from pack where name = ?)", (name,)
            )
            connection.execute("delete from pack where name = ?", (name,))
            connection.execute("delete from tree")

    def packs(self) -> set[str]:
        """Return the names of the packs that are in the table."""
        return {name for (name,) in self._read("select name from pack")}

    def has_pack(self, name: str) -> bool:
        """Return whether this pack is in the table."""
        return bool(self._read("select 1 from pack where name = ?", (name,)))

    def add_tree(self, tree_id: str, files: int, size: int) -> None:
        """Remember that a tree is whole."""
        with self._lock, _sound(), self._connection as connection:
            connection.execute(
                "insert or ignore into tree values (?, ?, ?)", (tree_id, files, size)
            )
        with (
            self._lock,
            _sound(),
        ):  # a push has ended: let the journal not stay as large as it became
            self._connection.execute("pragma wal_checkpoint (truncate)")

    def tree(self, tree_id: str) -> tuple[int, int] | None:
        """Return the files and bytes of a tree that is known to be whole."""
        for files, size in self._read("select files, bytes from tree where id = ?", (tree_id,)):
            return files, size
        return None

    def check(self, pack: Pack) -> str:
        """Return what is wrong with what it says of a pack's blobs; nothing if nothing is."""
        try:
            found = self.find(pack.ids)
        except Damaged as error:
            return error.sentence
        for identity, offset, size in pack.extents():
            known = found.get(identity, NOWHERE)
            if known != (pack.name, offset, size) and known.pack in {"", pack.name}:
                return f"It is wrong about blob {identity.hex()[:12]}: `--mend` makes it anew."
        return ""

    def totals(self) -> tuple[int, int]:
        """Return how many packs there are, and what they occupy."""
        ((packs, size),) = self._read("select count(*), coalesce(sum(bytes), 0) from pack")
        return packs, size

    def _read(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._lock, _sound():
            return self._connection.execute(query, values).fetchall()


@contextmanager
def _sound() -> Iterator[None]:
    """Say that the file is damaged when SQLite finds it so."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise
        raise Damaged(f"The index of blobs is damaged ({error}): `nsml down` and `up`.") from None


def remove(folder: Path) -> None:
    """Delete the table of a store; whoever opens it next makes it again."""
    for file in folder.glob(f"{FILE}*"):
        file.unlink()


def _marks(values: Iterable[object]) -> str:
    return ",".join("?" for _ in values)
