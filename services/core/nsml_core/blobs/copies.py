"""Read-only copies on a disk: made so that a later change shows, and checked, shared and removed.

The modification time of what is read-only is made of its size. Whoever writes into a file or a
folder by force changes the time, and a power cut that takes content changes the size; so a walk
tells whether a copy is still what it was, without reading it.
"""

import os
import shutil
from pathlib import Path

_EPOCH_SECONDS = 315_619_200  # 1980-01-02, which every archive format can hold
_SPAN_SECONDS = 100_000_000
_FOLDER_NS = _EPOCH_SECONDS * 10**9


def _settled_ns(size: int) -> int:
    """Return the modification time of a read-only file; in whole seconds, for any file system."""
    return (_EPOCH_SECONDS + size % _SPAN_SECONDS) * 10**9


def settle(file: int | str, *, is_executable: bool) -> None:
    """Make a file read-only, and give it the time that says that nobody has written there."""
    time = _settled_ns(os.stat(file).st_size)  # noqa: PTH116 - as below
    mode = 0o555 if is_executable else 0o444
    os.chmod(file, mode)  # noqa: PTH101 - a descriptor, or one of very many paths
    os.utime(file, ns=(time, time))


def settle_folders(folder: Path) -> None:
    """The same for all folders in a folder and itself, once they are filled."""
    for path, _, _ in os.walk(folder, topdown=False):
        os.utime(path, ns=(_FOLDER_NS, _FOLDER_NS))
        os.chmod(path, 0o555)  # noqa: PTH101, S103 - as in settle; it is for all to read


def is_settled(folder: Path) -> bool:
    """Return whether nobody has written in this read-only copy, nor added or removed anything."""
    if folder.stat().st_mtime_ns != _FOLDER_NS:
        return False
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                continue  # replacing one changes its folder
            if entry.is_dir():
                if not is_settled(Path(entry.path)):
                    return False
                continue
            status = entry.stat(follow_symlinks=False)
            if status.st_mtime_ns != _settled_ns(status.st_size):
                return False
    return True


def take(source: str, target: str, *, size: int, mode: int | None) -> bool:
    """Take a file from a read-only copy: by a hard link, or with a `mode` as a file of one's own.

    Return false, having done nothing, if the copy was changed or the file system cannot do it.
    """
    try:
        status = os.lstat(source)
        if (status.st_mtime_ns, status.st_size) != (_settled_ns(size), size):
            return False
        if mode is None:
            os.link(source, target, follow_symlinks=False)
        else:
            _clone(source, target, mode)
    except OSError:
        Path(target).unlink(missing_ok=True)
        return False
    return True


def _clone(source: str, target: str, mode: int) -> None:
    """Copy a file; where the file system can share the content of two files, it does."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with open(source, "rb") as read, open(os.open(target, flags, mode), "wb") as written:  # noqa: PTH123
        left = os.fstat(read.fileno()).st_size
        while left:
            copied = os.copy_file_range(read.fileno(), written.fileno(), left)
            if not copied:
                raise OSError(f"{source} ended early")
            left -= copied


def remove(folder: Path) -> None:
    """Delete a folder, read-only or not, if it is there."""
    for path, _, _ in os.walk(folder):
        os.chmod(path, 0o700)  # noqa: PTH101 - as in settle
    if folder.is_dir():
        shutil.rmtree(folder)
