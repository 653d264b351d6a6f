"""Folders to push, and a way to compare what came back."""

import random
from pathlib import Path

Listing = dict[str, tuple[str, object]]


def noise(size: int, seed: int = 0) -> bytes:
    """Return bytes that look random and are the same each time."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - content, not a secret


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """Fill a folder."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def sample(folder: Path) -> Path:
    """Make a folder with one of everything that a tree can hold."""
    write(
        folder,
        {
            "readme.txt": b"hello\n",
            "empty": b"",
            "a/b/c/deep.bin": noise(100_000, 1),
            "a/b.bin": noise(70_000, 2),
            "a.b": b"sorts between a and a/b if one is careless",
            "ünïcödé 文件.txt": b"name",
            "large.bin": noise(40 << 20, 3),
            "same.bin": noise(40 << 20, 3),
            "run.sh": b"#!/bin/sh\n",
        },
    )
    (folder / "run.sh").chmod(0o755)
    (folder / "void" / "inner").mkdir(parents=True)
    (folder / "a" / "link").symlink_to("../readme.txt")
    (folder / "folder-link").symlink_to("a/b")
    return folder


def listing(folder: Path) -> Listing:
    """Return what is in a folder: kind and content of each path."""
    found: Listing = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = ("link", str(path.readlink()))
        elif path.is_dir():
            found[name] = ("folder", None)
        else:
            kind = "executable" if path.stat().st_mode & 0o100 else "file"
            found[name] = (kind, path.read_bytes())
    return found
