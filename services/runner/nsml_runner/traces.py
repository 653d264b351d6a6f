"""Where code went wrong, without a word of what it had before it."""

import builtins
import re
from collections.abc import Sequence
from pathlib import Path

_FRAME = re.compile(r'\s*File "(?P<file>[^"]+)", line (?P<line>\d+), in ')
_KIND = re.compile(r"(?P<kind>[A-Za-z_]\w*)(?::|$)")
_SHOWN = 8


def withheld(stderr: Sequence[str], seen: Path, stored: Path) -> list[str]:
    """Return the frames of a traceback, and what was raised if it is one of Python's own.

    Text comes from the code as it is stored, and from nowhere else: what was printed may be made
    of what nobody may see.
    """
    frames = [said for line in stderr if (said := _frame(line, seen, stored))]
    return ["Traceback (its message is withheld):", *frames[-_SHOWN:], f"{kind(stderr)}: …"]


def _frame(line: str, seen: Path, stored: Path) -> str:
    found = _FRAME.match(line)
    if not found:
        return ""
    file = Path(found["file"])
    if not file.is_relative_to(seen) or ".." in file.parts:
        return ""
    inside = file.relative_to(seen)
    code, number = stored / inside, int(found["line"])
    if not code.is_file():
        return ""
    lines = code.read_text(errors="replace").splitlines()
    if not 0 < number <= len(lines):
        return ""
    return f"  {inside}, line {number}: {lines[number - 1].strip()}"


def kind(stderr: Sequence[str]) -> str:
    """Return the name of what was raised last, if it is one that Python knows."""
    for line in reversed(stderr):
        if found := _KIND.match(line):
            known = getattr(builtins, found["kind"], None)
            if isinstance(known, type) and issubclass(known, BaseException):
                return found["kind"]
    return "An error of its own"
