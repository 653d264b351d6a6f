"""Panels drawn with characters, side by side where there is room."""

import re
from collections.abc import Sequence
from itertools import zip_longest

from nsml_cli import axes
from nsml_cli.axes import AROUND, Paper
from nsml_cli.panels import Panel
from nsml_cli.text import cell_width

_BLANK = "\u2800"
_SGR = re.compile(r"\x1b\[[0-9;]*m")
_DOTS = re.compile("[\u2801-\u28ff]")
_PLAIN = str.maketrans("┤│└─┬", "|||--")
_GAP = "  "
_WIDE_PANEL = 70
_LEAST_ROWS = 5
_MOST_ROWS = 20


def capacity(paper: Paper, legend: int) -> int:
    """Return how many panels fit on the paper, with so many lines of legend each."""
    rows = (paper.height + 1) // (_LEAST_ROWS + AROUND + legend + 1)
    return max(1, rows) * _across(paper, paper.height)


def draw(panels: Sequence[Panel], paper: Paper) -> list[str]:
    """Return the lines of a picture; where panels do not fit, it is higher than the paper."""
    across = _across(paper, len(panels))
    width = (paper.width - len(_GAP) * (across - 1)) // across
    grid = [panels[at : at + across] for at in range(0, len(panels), across)]
    legend = max(len(panel.curves) for panel in panels)
    room = (paper.height + 1) // len(grid) - 1 - AROUND - legend
    rows = max(_LEAST_ROWS, min(room, _MOST_ROWS))
    lines: list[str] = []
    for beside in grid:
        drawn = [axes.draw(panel, width, rows, paper) for panel in beside]
        lines.append("")
        lines += [_joined(parts, width) for parts in zip_longest(*drawn, fillvalue="")]
    return [_plain(line, paper) for line in lines[1:]]


def _across(paper: Paper, count: int) -> int:
    """Return how many panels stand side by side."""
    return max(1, min(count, (paper.width + len(_GAP)) // (_WIDE_PANEL + len(_GAP))))


def _joined(parts: Sequence[str], width: int) -> str:
    return _GAP.join(part + " " * (width - cell_width(_SGR.sub("", part))) for part in parts)


def _plain(line: str, paper: Paper) -> str:
    line = line.replace(_BLANK, " ").rstrip()
    return line if paper.has_braille else _DOTS.sub("*", line).translate(_PLAIN)
