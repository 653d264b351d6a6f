"""Walk a folder that is to be pushed: what is in it, and what of it nobody could store."""

import os
import posixpath
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from nsml_core.blobs.tree import DEPTH_MAX, AnyKind, Kind, check_link
from nsml_core.errors import Invalid, NotFound, Refused

Ignore = Callable[[str, bool], bool]
"""Takes a path relative to the folder and whether it is a directory; true leaves it out."""


Entries = list["os.DirEntry[str]"]


class Signature(NamedTuple):
    """What changes when a file changes."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Signature":
        """Return the signature of a file with this status."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


class Found(NamedTuple):
    """Something in the folder: a file, a link, or an empty directory."""

    path: str
    kind: AnyKind
    signature: Signature
    target: str = ""


def walk(folder: Path, ignore: Ignore | None = None) -> list[Found]:
    """Return all that is in the folder, in the order of a manifest."""
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.")
    return list(_walk(folder, "", _list(folder, ""), ignore))


def _walk(folder: Path, prefix: str, entries: Entries, ignore: Ignore | None) -> Iterator[Found]:
    for entry in entries:
        path = prefix + entry.name
        is_directory = entry.is_dir(follow_symlinks=False)
        if ignore is not None and ignore(path, is_directory):
            continue
        if path.count("/") >= DEPTH_MAX:
            raise Invalid(f"The folder {path[:60]!r}… is nested too deeply: flatten it.")
        if not is_directory:
            yield _describe(entry, path)
        elif inner := _list(folder, path + "/"):
            yield from _walk(folder, path + "/", inner, ignore)
        else:
            yield Found(path, Kind.DIRECTORY, Signature(0, 0, 0, entry.inode()))


def _list(folder: Path, prefix: str) -> Entries:
    try:
        with os.scandir(folder / prefix) as entries:
            return sorted(entries, key=_name)
    except PermissionError:
        sentence = f"{folder / prefix} cannot be read: give yourself permission to it."
        raise Refused(sentence) from None
    except FileNotFoundError:
        raise changed(prefix.rstrip("/")) from None


def _name(entry: "os.DirEntry[str]") -> bytes:
    try:
        return entry.name.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(entry.path).decode(errors="backslashreplace")
        raise Invalid(f"The name of '{shown}' is not UTF-8: rename it.") from None


def _describe(entry: "os.DirEntry[str]", path: str) -> Found:
    try:
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            target = _plain(path, str(Path(entry.path).readlink()))
            return Found(path, Kind.LINK, Signature.of(status), target)
    except FileNotFoundError:
        raise changed(path) from None
    if not stat.S_ISREG(status.st_mode):
        raise Invalid(f"{path!r} is neither file, folder nor link: leave it out by .nsmlignore.")
    kind = Kind.EXECUTABLE if status.st_mode & stat.S_IXUSR else Kind.FILE
    return Found(path, kind, Signature.of(status))


def _plain(path: str, target: str) -> str:
    """Return the link's target without `.` and doubled slashes, if it stays inside."""
    try:
        target.encode()
    except UnicodeEncodeError:
        raise Invalid(f"The target of the link {path!r} is not UTF-8: replace it.") from None
    names = [name for name in target.split("/") if name not in ("", ".")]
    if target.startswith("/") or ".." in names[_climbs(names) :]:
        raise Invalid(
            f"The link {path!r} leads to {target!r}, which may be outside the folder: "
            "replace it by a plain relative link, or by what it leads to."
        )
    plain = posixpath.join(*names) if names else "."
    check_link(path, plain)
    return plain


def _climbs(names: list[str]) -> int:
    return next((at for at, name in enumerate(names) if name != ".."), len(names))


def changed(path: str) -> Refused:
    """Return the error that says that a file was not left alone while it was read."""
    return Refused(f"{path!r} changed while it was pushed: push again when nothing writes there.")
