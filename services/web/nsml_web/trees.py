"""Folders as pages show them: a list of one level, and a preview of one file."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from nsml_client.aio import AsyncClient

PREVIEW_BYTES = 256 << 10
_ROWS = 100
_IMAGES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
}
"""Pictures that are nothing but pictures: SVG may hold scripts, and is shown as text."""
_TABLES = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True)
class Line:
    """A file, or a folder with all that is below it."""

    name: str
    path: str
    is_folder: bool
    bytes: int
    files: int = 1


@dataclass(frozen=True)
class Preview:
    """What of a file is shown."""

    path: str
    bytes: int
    kind: str
    """`text`, `table`, `image`, or `binary`, of which nothing is shown."""

    text: str = ""
    rows: Sequence[Sequence[str]] = ()
    is_cut: bool = False


def level(sizes: Sequence[tuple[str, int]], folder: str) -> list[Line]:
    """Return what lies in a folder of a tree: folders first, then files, by name."""
    prefix = f"{folder}/" if folder else ""
    folders: dict[str, list[int]] = {}
    files = []
    for path, size in sizes:
        if not path.startswith(prefix):
            continue
        name, slash, _ = path[len(prefix) :].partition("/")
        if slash:
            folders.setdefault(name, []).append(size)
        else:
            files.append(Line(name, path, is_folder=False, bytes=size))
    below = [
        Line(name, prefix + name, is_folder=True, bytes=sum(each), files=len(each))
        for name, each in folders.items()
    ]
    return sorted(below, key=_name) + sorted(files, key=_name)


def _name(line: Line) -> str:
    return line.name


def image_type(path: str) -> str:
    """Return the media type of a picture; empty for all else."""
    return _IMAGES.get(PurePosixPath(path).suffix.lower(), "")


async def preview(client: AsyncClient, tree: str, path: str, size: int) -> Preview:
    """Return what of a file is shown."""
    if image_type(path):
        return Preview(path, size, "image")
    content = await client.trees.read(tree, path, limit=PREVIEW_BYTES)
    is_cut = size > len(content)
    try:
        # What was cut may end within a letter.
        text = content.decode(errors="ignore" if is_cut else "strict")
    except UnicodeDecodeError:
        return Preview(path, size, "binary")
    if "\0" in text:
        return Preview(path, size, "binary")
    separator = _TABLES.get(PurePosixPath(path).suffix.lower())
    if separator:
        rows = _table(text, separator)
        if rows:
            return Preview(path, size, "table", rows=rows, is_cut=is_cut or len(rows) == _ROWS)
    return Preview(path, size, "text", text=text, is_cut=is_cut)


def _table(text: str, separator: str) -> list[list[str]]:
    """Return the first rows; none if it is no table after all."""
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    try:
        return [row for _, row in zip(range(_ROWS), reader, strict=False)]
    except csv.Error:
        return []
