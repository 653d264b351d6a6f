"""Where an axis has its ticks, and what is written at them."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime

_SPANS = (
    *(1, 2, 5, 10, 15, 30),
    *(60 * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(3_600 * hours for hours in (1, 2, 3, 6, 12)),
    *(86_400 * days for days in (1, 2, 7, 14, 30, 90, 365)),
)
_DAY_SECONDS = 86_400
_LATEST = 32_503_680_000  # the year 3000: calendars end, and clocks may be wrong
_HUGE, _TINY = 1e15, 1e-6
_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_PLAIN_BELOW = 1e4
_MANTISSAS = (1, 2, 5)
_LARGEST_EXPONENT = 308.25

Ticks = list[tuple[float, str]]
"""Places and what is written at them."""


def numbers(low: float, high: float, most: int) -> Ticks:
    """Return round numbers between two, no more than so many."""
    step = _round_step((high - low) / max(most, 1))
    return [(value, number(value, step)) for value in _multiples(low, high, step)]


def powers(low: float, high: float, most: int) -> Ticks:
    """Return round numbers between two that are given by their logarithms, with their places."""
    if high - low < 1:
        ticks = numbers(power(low), power(high), most)
        return [(math.log10(value), text) for value, text in ticks if value > 0]
    step = max(1, round((high - low) / max(most, 1)))
    digits = _MANTISSAS if (high - low) * len(_MANTISSAS) <= most else (1,)
    exponents = range(math.floor(low), math.floor(high) + 1)
    marks = [one + math.log10(digit) for one in exponents if one % step == 0 for digit in digits]
    return [(mark, f"{power(mark):.4g}") for mark in marks if low <= mark <= high]


def power(exponent: float) -> float:
    """Return ten to a power, or the largest number there is."""
    return math.pow(10.0, min(exponent, _LARGEST_EXPONENT))


def spans(low: float, high: float, most: int) -> Ticks:
    """Return round spans of time between two, which are in seconds."""
    if high - low < most:
        return [(value, f"{text}s") for value, text in numbers(low, high, most)]
    step = _span_step((high - low) / max(most, 1))
    return [(value, _span(value)) for value in _multiples(low, high, step)]


def clock(low: float, high: float, most: int) -> Ticks:
    """Return times of the local clock between two that are in seconds since 1970."""
    step = _span_step(max((high - low) / max(most, 1), 1))
    offset = _local(low).utcoffset()
    zone = offset.total_seconds() if offset else 0.0
    form = "%m-%d" if step >= _DAY_SECONDS else "%H:%M" if step >= 60 else "%H:%M:%S"  # noqa: PLR2004
    places = (value - zone for value in _multiples(low + zone, high + zone, step))
    return [(place, _local(place).strftime(form)) for place in places]


def number(value: float, step: float) -> str:
    """Return a number with as many digits as tell it from one that is a step away."""
    if value == 0 and step >= 1:
        return "0"
    size = max(abs(value), step)
    if size >= _HUGE or step < _TINY:
        digits = max(math.ceil(math.log10(size / step)), 0) if step else 3
        return f"{value:.{min(digits, 6)}e}" if value else "0"
    unit, letter = next((pair for pair in _UNITS if size >= max(pair[0], _PLAIN_BELOW)), (1.0, ""))
    digits = max(-math.floor(math.log10(step / unit) + 1e-9), 0)
    return f"{value / unit + 0.0:.{digits}f}{letter}"


def _round_step(least: float) -> float:
    if not 0 < least < math.inf:
        return 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least * 0.999)


def _span_step(least: float) -> float:
    return next((float(span) for span in _SPANS if span >= least), _round_step(least))


def _multiples(low: float, high: float, step: float) -> Iterator[float]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return (place * step for place in range(first, min(last, first + 100) + 1))


def _span(seconds: float) -> str:
    if seconds % _DAY_SECONDS == 0 and seconds:
        return f"{seconds / _DAY_SECONDS:.0f}d"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _local(seconds: float) -> datetime:
    return datetime.fromtimestamp(min(max(seconds, 0), _LATEST), UTC).astimezone()
