"""What changed between two folders of code, as unified diffs of the text in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from io import StringIO
from pathlib import Path

_TEXT_BYTES_MAX = 1 << 20  # difflib takes long over more


@dataclass(frozen=True)
class Change:
    """A file that is not the same in both."""

    path: str
    kind: str
    """`added`, `removed`, `changed`; of content that is no text, `binary, changed` and so on."""

    patch: list[str]
    """The lines of a unified diff; none of content that is no text."""


def changes(old: Path, new: Path) -> list[Change]:
    """Return what differs, by path."""
    return list(_changes(old, new))


def _changes(old: Path, new: Path) -> Iterator[Change]:
    for path in sorted(_paths(old) | _paths(new)):
        before, after = _read(old / path), _read(new / path)
        if before == after:
            continue
        kind = "added" if before is None else "removed" if after is None else "changed"
        texts = [_text(before), _text(after)]
        if None in texts:
            yield Change(path, f"binary, {kind}", [])
            continue
        old_name = "/dev/null" if before is None else f"a/{path}"
        new_name = "/dev/null" if after is None else f"b/{path}"
        lines = unified_diff(texts[0] or [], texts[1] or [], old_name, new_name, lineterm="")
        yield Change(path, kind, [part for line in lines for part in _ended(line)])


def _paths(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def _read(file: Path) -> bytes | None:
    """Return what a file holds; of a link, where it leads, which is never followed."""
    if file.is_symlink():
        return f"→ {file.readlink()}\n".encode()
    return file.read_bytes() if file.is_file() else None


def _text(data: bytes | None) -> list[str] | None:
    """Return lines with their ends; None for what is no text."""
    if data is None:
        return []
    if b"\0" in data or len(data) > _TEXT_BYTES_MAX:
        return None
    try:
        return list(StringIO(data.decode(), newline="\n"))
    except UnicodeDecodeError:
        return None


def _ended(line: str) -> list[str]:
    """Return a line of a diff without its end, and the note that it had none."""
    if line.endswith("\n"):
        return [line[:-1]]
    is_content = line[:1] in " +-" and not line.startswith(("+++ ", "--- "))
    return [line, "\\ No newline at end of file"] if is_content else [line]
