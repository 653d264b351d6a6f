"""Which curves are drawn together, and how many at most: what is left out is said."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nsml_cli.curves import Along, Curve, logarithmic, smoothed
from nsml_cli.text import clean

PANELS_MAX = 12
CURVES_MAX = 10
_EDGE = 1e300
_THIN = 1e-12
_LEAST = 1e-300
_TITLE_SERIES = 3


@dataclass(frozen=True)
class Way:
    """How curves are drawn."""

    along: Along = "step"
    is_log: bool = False
    is_together: bool = False
    smoothing: float = 0.0


@dataclass(frozen=True)
class Panel:
    """Curves on the same axes, and how far these reach; of a log scale, logarithms."""

    title: str
    along: Along
    is_log: bool
    curves: Sequence[Curve]
    names: Sequence[str]
    """What the legend calls each."""

    x: tuple[float, float]
    y: tuple[float, float]

    @property
    def axis(self) -> str:
        return f"{self.along}, log" if self.is_log else self.along

    @property
    def is_empty(self) -> bool:
        return not any(curve.finite() for curve in self.curves)


def arrange(
    curves: Sequence[Curve], way: Way, most: int = PANELS_MAX
) -> tuple[list[Panel], list[str]]:
    """Return panels, and sentences that say what is not in them."""
    groups: dict[str, list[Curve]] = {}
    for curve in curves:
        groups.setdefault("" if way.is_together else curve.series, []).append(curve)
    shown = list(groups.values())[:most]
    said = []
    if len(groups) > most:
        said.append(f"{most} of {len(groups):,} series are drawn: choose with -k PATTERN.")
    if any(len(group) > CURVES_MAX for group in shown):
        said.append(f"{CURVES_MAX} curves are drawn on each axis, and no more.")
    return [_panel(group[:CURVES_MAX], way) for group in shown], said


def _panel(curves: Sequence[Curve], way: Way) -> Panel:
    series = list(dict.fromkeys(curve.series for curve in curves))
    if way.smoothing:
        curves = [smoothed(curve, way.smoothing) for curve in curves]
    if way.is_log:
        curves = [logarithmic(curve) for curve in curves]
    drawn = [bucket for curve in curves for bucket in curve.finite()]
    more = "" if len(series) <= _TITLE_SERIES else ", …"
    return Panel(
        title=clean(", ".join(series[:_TITLE_SERIES]) + more),
        along=way.along,
        is_log=way.is_log,
        curves=curves,
        names=[clean(_name(curve, is_alone=len(series) == 1)) for curve in curves],
        x=_limits([bucket.begin for bucket in drawn] + [bucket.end for bucket in drawn]),
        y=_limits([bucket.low for bucket in drawn] + [bucket.high for bucket in drawn]),
    )


def _name(curve: Curve, *, is_alone: bool) -> str:
    return curve.session if is_alone else f"{curve.session} {curve.series}"


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """Return how far an axis reaches, which is some way even if all values are the same."""
    low = max(min(values, default=0.0), -_EDGE)
    high = min(max(values, default=1.0), _EDGE)
    if high - low > max(_THIN * max(abs(low), abs(high)), _LEAST):
        return low, high
    pad = max(abs(low) * 0.05, 0.5) if math.isfinite(low) else 0.5
    return low - pad, low + pad
