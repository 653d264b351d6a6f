"""Panels drawn into a file by matplotlib, which is loaded for nothing else."""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nsml_cli import ticks
from nsml_cli.axes import AXES
from nsml_cli.curves import Curve
from nsml_cli.panels import Panel
from nsml_core.errors import Refused

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

_ABSENT = (
    "Pictures in files are drawn by matplotlib, which is not installed beside nsml: "
    "type `pip install 'nsml-cli[plot]'`, or `pip install matplotlib` there."
)
_WIDTH, _HEIGHT = 7.0, 4.0
_SIDE_BY_SIDE = 2
_TICKS = 6
_EDGE = 1e200


def write(panels: Sequence[Panel], file: Path, form: str) -> None:
    """Write a picture of panels; its format is `png` or `svg`."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise Refused(_ABSENT) from None
    across = min(len(panels), _SIDE_BY_SIDE)
    down = math.ceil(len(panels) / across)
    figure = Figure(figsize=(_WIDTH * across, _HEIGHT * down), layout="constrained")
    FigureCanvasAgg(figure)
    every = list(figure.subplots(down, across, squeeze=False).flat)
    with warnings.catch_warnings():  # fonts lack letters of names, and sums of values overflow
        warnings.simplefilter("ignore")
        for panel, axes in zip(panels, every, strict=False):
            _draw(panel, axes)
        for axes in every[len(panels) :]:
            axes.set_axis_off()
        figure.savefig(file, format=form, dpi=150)


def _draw(panel: Panel, axes: "Axes") -> None:
    """Draw a panel; names are shown as they are, and never read as formulas."""
    lines = [_curve(curve, panel, axes) for curve in panel.curves]
    if panel.is_log:
        axes.set_yscale("log")
    places = AXES[panel.along](*panel.x, _TICKS)
    axes.set_xticks([place for place, _ in places], [text for _, text in places])
    axes.set_xlabel(panel.along)
    axes.set_title(panel.title, parse_math=False)
    axes.grid(alpha=0.3)
    legend = axes.legend(lines, [f" {name}" for name in panel.names], fontsize="small")
    for text in legend.get_texts():
        text.set_parse_math(False)


def _curve(curve: Curve, panel: Panel, axes: "Axes") -> "Line2D":
    ends = [bucket.end for bucket in curve.buckets]
    last, low, high = (
        [_value(value, panel) for value in column]
        for column in zip(*((one.last, one.low, one.high) for one in curve.buckets), strict=True)
    )
    [line] = axes.plot(ends, last, linewidth=1.2)
    if any(bucket.points > 1 for bucket in curve.buckets):
        axes.fill_between(ends, low, high, alpha=0.2, color=line.get_color(), linewidth=0)
    return line


def _value(value: float, panel: Panel) -> float:
    """Return a value with which matplotlib can reckon; infinity is a gap."""
    if not math.isfinite(value):
        return math.nan
    return max(min(ticks.power(value) if panel.is_log else value, _EDGE), -_EDGE)
