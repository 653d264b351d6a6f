"""One panel drawn with characters: curves as Braille dots, between axes, over a legend."""

from dataclasses import dataclass

import plotille

from nsml_cli import ticks
from nsml_cli.curves import Curve, segments
from nsml_cli.panels import Panel
from nsml_cli.text import cell_width, cut
from nsml_cli.ticks import Ticks

AROUND = 3
"""Lines of a panel beside its curves and its legend: the title, the axis and what it says."""

_COLOURS = (
    *("cyan", "yellow", "magenta", "green", "red", "blue"),
    *("bright_cyan", "bright_yellow", "bright_magenta", "bright_green"),
)
_LETTERS = "abcdefghij"
_LETTER_COLUMNS = 16
_TICK_ROWS = 2
_TICK_COLUMNS = 11
AXES = {"step": ticks.numbers, "time": ticks.clock, "relative": ticks.spans}


@dataclass(frozen=True)
class Paper:
    """What is drawn on."""

    width: int
    height: int
    has_colour: bool = False
    has_braille: bool = True


def draw(panel: Panel, width: int, rows: int, paper: Paper) -> list[str]:
    """Return the lines of a panel: so wide, and so many rows for its curves."""
    if panel.is_empty:
        said = "Nothing but values that no axis holds." if panel.curves else "No metrics yet."
        return [_title(panel, width, paper), said]
    down = _ticks_of_values(panel, rows)
    margin = max((cell_width(text) for _, text in down), default=0)
    across = max(width - margin - 2, 2)
    dots = _Dots(panel, across, rows, paper)
    return [
        _title(panel, width, paper),
        *_with_values(dots, down, margin),
        *_with_steps(dots, panel, margin),
        *_legend(panel, width, paper),
    ]


class _Dots:
    """The dots of a panel, and where a value stands among its rows and columns."""

    def __init__(self, panel: Panel, width: int, rows: int, paper: Paper) -> None:
        self.width, self.rows = width, rows
        self._x = panel.x[0], (panel.x[1] - panel.x[0]) / (2 * width - 1)
        self._y = panel.y[0], (panel.y[1] - panel.y[0]) / (4 * rows - 1)
        self._canvas = plotille.Canvas(width, rows, xmax=2 * width, ymax=4 * rows)
        for index, curve in enumerate(panel.curves):
            self._draw(curve, _COLOURS[index] if paper.has_colour else None)
        if not paper.has_colour and len(panel.curves) > 1:
            for index, curve in enumerate(panel.curves):
                self._letter(curve, index)

    def column(self, x: float) -> int:
        return self._across(x) // 2

    def row(self, y: float) -> int:
        """Return the row of a value, counted from the top."""
        return self.rows - 1 - self._up(y) // 4

    def lines(self) -> list[str]:
        drawn: str = self._canvas.plot(linesep="\n")
        return drawn.split("\n")

    def _draw(self, curve: Curve, colour: str | None) -> None:
        for x0, y0, x1, y1 in segments(curve):
            ends = (self._across(x0), self._up(y0), self._across(x1), self._up(y1))
            self._canvas.line(*ends, color=colour)

    def _letter(self, curve: Curve, index: int) -> None:
        """Without colours a letter says now and then which curve this is."""
        due = index * _LETTER_COLUMNS // len(_LETTERS)
        for bucket in curve.finite():
            column = self.column(bucket.end)
            if column >= due:
                at = self._across(bucket.end), self._up(bucket.last)
                self._canvas.point(*at, marker=_LETTERS[index])
                due = column + _LETTER_COLUMNS

    def _across(self, x: float) -> int:
        return _clamp((x - self._x[0]) / self._x[1], 2 * self.width - 1)

    def _up(self, y: float) -> int:
        return _clamp((y - self._y[0]) / self._y[1], 4 * self.rows - 1)


def _clamp(place: float, most: int) -> int:
    return round(min(max(place, 0), most))


def _ticks_of_values(panel: Panel, rows: int) -> Ticks:
    make = ticks.powers if panel.is_log else ticks.numbers
    return make(*panel.y, max(rows // _TICK_ROWS, 2))


def _with_values(dots: _Dots, down: Ticks, margin: int) -> list[str]:
    texts = {dots.row(value): text for value, text in down}
    return [
        f"{texts.get(row, '').rjust(margin)} {'┤' if row in texts else '│'}{line}"
        for row, line in enumerate(dots.lines())
    ]


def _with_steps(dots: _Dots, panel: Panel, margin: int) -> list[str]:
    """Return the axis below, and what is written under it; what would overlap is left out."""
    axis, text = ["─"] * dots.width, [" "] * (margin + 2 + dots.width)
    free = 0
    for place, said in AXES[panel.along](*panel.x, dots.width // _TICK_COLUMNS):
        column = dots.column(place)
        axis[column] = "┬"
        begin = max(min(margin + 2 + column - len(said) // 2, len(text) - len(said)), 0)
        if begin >= free:
            text[begin : begin + len(said)] = said
            free = begin + len(said) + 1
    return [" " * margin + " └" + "".join(axis), "".join(text)]


def _title(panel: Panel, width: int, paper: Paper) -> str:
    aside = panel.axis
    title = cut(panel.title, max(width - len(aside) - 2, 1))
    gap = " " * (width - cell_width(title) - len(aside))
    if not paper.has_colour:
        return title + gap + aside
    return f"\x1b[1m{title}\x1b[0m{gap}\x1b[2m{aside}\x1b[0m"


def _legend(panel: Panel, width: int, paper: Paper) -> list[str]:
    keys = [_key(index, paper, len(panel.curves)) for index in range(len(panel.curves))]
    values = [_values(curve, panel) for curve in panel.curves]
    room = width - 3 - max(map(len, values)) - 2
    widest = min(max(map(cell_width, panel.names)), max(room, 8))
    lines = []
    for key, name, value in zip(keys, panel.names, values, strict=True):
        shown = cut(name, widest)
        lines.append(f"{key} {shown}{' ' * (widest - cell_width(shown))}  {value}")
    return lines


def _key(index: int, paper: Paper, count: int) -> str:
    if paper.has_colour:
        return str(plotille.color("──", fg=_COLOURS[index]))
    return f"{_LETTERS[index]} " if count > 1 else "──"


def _values(curve: Curve, panel: Panel) -> str:
    drawn = curve.finite()
    if not drawn:
        return "no finite value"
    values = [curve.last, min(one.low for one in drawn), max(one.high for one in drawn)]
    last, low, high = (f"{ticks.power(value) if panel.is_log else value:.4g}" for value in values)
    return f"{last}  ({low} to {high})"
