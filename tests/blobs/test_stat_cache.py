"""What is remembered of files: only what is certain, and never of a file that changed."""

import os
from pathlib import Path

import pytest

from nsml_core.blobs import scan
from nsml_core.blobs.lane import Known
from nsml_core.blobs.scan import Found
from nsml_core.blobs.stat_cache import StatCache
from nsml_core.blobs.tree import Content
from nsml_core.errors import Refused
from tests.blobs import folders

CONTENT = Content(bytes(64), (3, 4))
MINUTE_NS = 60 * 10**9


def _found(folder: Path) -> Found:
    (found,) = scan.walk(folder)
    return found


def _later(found: Found, nanoseconds: int = MINUTE_NS) -> Known:
    return Known(found, CONTENT, found.signature.ctime_ns + nanoseconds)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with one file."""
    return folders.write(tmp_path / "source", {"a": b"1234567"})


@pytest.fixture
def cache(tmp_path: Path) -> StatCache:
    """Open a new cache."""
    return StatCache(tmp_path / "cache" / "stat.sqlite")


def test_remembers(cache: StatCache, folder: Path, tmp_path: Path) -> None:
    found = _found(folder)

    cache.save(folder, [_later(found)])
    cache.close()
    again = StatCache(tmp_path / "cache" / "stat.sqlite")

    assert again.load(folder) == {"a": (found.signature, CONTENT)}
    assert again.load(tmp_path) == {}
    again.close()


def test_does_not_remember_what_had_just_changed(cache: StatCache, folder: Path) -> None:
    """It may have changed once more within the same tick of the clock, without a trace."""
    cache.save(folder, [_later(_found(folder), 10**9)])

    assert cache.load(folder) == {}
    cache.close()


def test_notices_a_change_that_hides(cache: StatCache, folder: Path) -> None:
    """Same size, same name, and the modification time set back: the inode's change time tells."""
    before = _found(folder)
    cache.save(folder, [_later(before)])
    (folder / "a").write_bytes(b"7654321")
    os.utime(folder / "a", ns=(before.signature.mtime_ns, before.signature.mtime_ns))

    signature, _ = cache.load(folder)["a"]

    assert signature != _found(folder).signature
    cache.close()


def test_forgets(cache: StatCache, folder: Path) -> None:
    cache.save(folder, [_later(_found(folder))])

    cache.forget(folder, ["a"])

    assert cache.load(folder) == {}
    cache.close()


def test_says_that_it_is_broken(tmp_path: Path) -> None:
    folders.write(tmp_path, {"broken.sqlite": b"not a database at all" * 100})

    with pytest.raises(Refused, match=r"broken.sqlite cannot be used .*: delete it and try again"):
        StatCache(tmp_path / "broken.sqlite")


def test_begins_anew_after_another_version(cache: StatCache, folder: Path, tmp_path: Path) -> None:
    cache.save(folder, [_later(_found(folder))])
    cache._connection.execute("pragma user_version = 99")
    cache.close()

    again = StatCache(tmp_path / "cache" / "stat.sqlite")

    assert again.load(folder) == {}
    again.close()
