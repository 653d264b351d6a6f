"""How results are shown: a table on a terminal, plain columns in a pipe, JSON where asked."""

import json
import math
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nsml_cli.text import cell_width, clean, cut, escape_json, has_colour, is_terminal

_GAP = "  "
_LEAST_WIDTH = 8
_STYLES = {
    "Running": "green",
    "Zombie": "red",
    "Queued": "yellow",
    "Allocated": "yellow",
    "Failed": "red",
    "Lost": "red",
    "Stopped": "dim",
    "Draining": "yellow",
    "Cordoned": "yellow",
    "Exited": "dim",
    "Failing": "red",
    "Starting": "yellow",
    "Unsupervised": "red",
}
_SGR = {"red": "31", "green": "32", "yellow": "33", "bold": "1", "dim": "2"}


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    title: str
    right: bool = False
    may_cut: bool = False
    """Prose that is cut short where the terminal is narrow; the others are names and numbers."""

    is_status: bool = False
    """Coloured by what it says."""


Place = tuple[int, Column, int]
"""Where a column stands in the rows, the column, and how wide it is shown."""


def show(text: str) -> None:
    """Print one line of results, at once: a script may wait for it."""
    sys.stdout.write(clean(text) + "\n")
    sys.stdout.flush()


def title(text: str) -> None:
    """Print the titles of lines that follow."""
    sys.stdout.write(bold(text) + "\n")


def note(text: str) -> None:
    """Say something beside the results; a line break in front leaves a `^C` to itself."""
    head = "\n" if text.startswith("\n") else ""
    sys.stderr.write(head + clean(text.strip()) + "\n")


def fail(text: str, label: str = "Error") -> None:
    """Say what went wrong."""
    head = f"{label}:"
    if has_colour(sys.stderr):
        head = f"\x1b[{_SGR['red']}m{head}\x1b[0m"
    sys.stderr.write(f"{head} {clean(text)}\n")


def bold(text: str) -> str:
    return f"\x1b[{_SGR['bold']}m{text}\x1b[0m" if has_colour() else text


def as_json(value: object) -> None:
    """Print a value as JSON, which has no word for what is no finite number: null."""
    text = json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write(escape_json(text) + "\n")


def _finite(value: object) -> object:
    match value:
        case dict():
            return {key: _finite(one) for key, one in value.items()}
        case list() | tuple():
            return [_finite(one) for one in value]
        case float() if not math.isfinite(value):
            return None
        case _:
            return value


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], empty: str) -> None:
    """Print rows under their titles; to people, one sentence instead if there are none.

    In a pipe nothing is cut or left out: there are two spaces or more between columns.
    """
    if not rows and is_terminal():
        note(empty)
        return
    cleaned = [[clean(cell) for cell in row] for row in rows]
    room = shutil.get_terminal_size().columns if is_terminal() else None
    places = fit(columns, cleaned, room)
    paint = _coloured if has_colour() else str
    titles = [column.title for column in columns]
    sys.stdout.write(bold(_line(places, titles, str)) + "\n")
    for cells in cleaned:
        sys.stdout.write(_line(places, cells, paint) + "\n")


def fit(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int | None) -> list[Place]:
    """Return which columns are shown, and how wide, where there is so much room, or any."""
    lines = [[column.title for column in columns], *rows]
    widths = [max(map(cell_width, cells)) for cells in zip(*lines, strict=True)]
    places = list(zip(range(len(columns)), columns, widths, strict=True))
    return places if room is None else _fitting(places, rows, room)


def _fitting(places: list[Place], rows: Sequence[Sequence[str]], room: int) -> list[Place]:
    """Make a line fit: leave out empty prose, cut the widest prose, leave out from the right."""
    if _width(places) > room:
        places = [
            place for place in places if not place[1].may_cut or any(row[place[0]] for row in rows)
        ]
    while _width(places) > room:
        at = max(range(len(places)), key=lambda at: places[at][1].may_cut * places[at][2])
        index, column, width = places[at]
        if not column.may_cut or width <= _LEAST_WIDTH:
            break
        places[at] = (index, column, width - 1)
    while _width(places) > room and len(places) > 1:
        places.pop()
    return places


def _width(places: Sequence[Place]) -> int:
    return sum(width for _, _, width in places) + len(_GAP) * (len(places) - 1)


def _line(places: Sequence[Place], cells: Sequence[str], paint: Callable[[str], str]) -> str:
    parts = []
    for index, column, width in places:
        shown = cut(cells[index], width)
        blank = " " * (width - cell_width(shown))
        shown = paint(shown) if column.is_status else shown
        parts.append(blank + shown if column.right else shown + blank)
    return _GAP.join(parts).rstrip()


def style_of(status: str) -> str:
    """Return the colour of a status, by its first word; empty if it has none."""
    return _STYLES.get(status.partition(" ")[0].capitalize(), "")


def _coloured(cell: str) -> str:
    style = style_of(cell)
    return f"\x1b[{_SGR[style]}m{cell}\x1b[0m" if style else cell


def facts(pairs: Sequence[tuple[str, str]]) -> None:
    """Print names and values in two columns, without the empty ones."""
    filled = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in filled), default=0)
    for name, value in filled:
        sys.stdout.write(f"{bold(name.ljust(width))}  {clean(value)}\n")


def heading(text: str) -> None:
    sys.stdout.write(f"\n{bold(text)}\n")
