"""Values as people read them; strings of others made harmless for a terminal."""

import os
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from nsml_core import times

if TYPE_CHECKING:  # `nsml --help` shows no times, and this import costs more than all of it
    from google.protobuf.timestamp_pb2 import Timestamp

# Control characters (of both sets), and what turns the direction of writing round.
HOSTILE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_SPACE = re.compile(r"[\t\r\n]+")
_STEP = 1024
_GPU_MS_PER_CREDIT = 60_000


def is_terminal() -> bool:
    return sys.stdout.isatty()


def has_colour(stream: TextIO | None = None) -> bool:
    """Tell whether colours may be written to a stream (by default: standard output)."""
    is_wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return is_wanted and (stream or sys.stdout).isatty()


def clean(text: str) -> str:
    """Return a text of one line that does nothing to a terminal but be read."""
    return HOSTILE.sub(lambda found: escape_control(found[0]), _SPACE.sub(" ", text))


def escape_json(text: str) -> str:
    """Write as JSON escapes what is legal in JSON and still not harmless on a terminal."""
    return HOSTILE.sub(lambda found: "\n" if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text)


def cell_width(text: str) -> int:
    """Return how many columns of a terminal a text fills: letters of East Asia fill two."""
    if text.isascii():
        return len(text)
    import unicodedata

    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    marks = sum(bool(unicodedata.combining(letter)) for letter in text)
    return len(text) + wide - marks


def cut(text: str, width: int) -> str:
    """Return a text that fills no more than so many columns; an ellipsis says that it was cut."""
    if cell_width(text) <= width:
        return text
    kept = text[: width - 1]
    while cell_width(kept) > width - 1:
        kept = kept[:-1]
    return kept + "…"


def escape_control(character: str) -> str:
    """Return a control character as it is written in source code."""
    number = ord(character)
    return f"\\x{number:02x}" if number <= 0xFF else f"\\u{number:04x}"  # noqa: PLR2004


def size(number: int) -> str:
    """Return a number of bytes such as 116.72 KB; a KB is 1024."""
    value, units = float(number), iter(("KB", "MB", "GB", "TB", "PB"))
    unit = "B"
    while value >= _STEP and (larger := next(units, None)):
        value, unit = value / _STEP, larger
    return f"{number} B" if unit == "B" else f"{value:.2f} {unit}"


def counted(number: int, noun: str) -> str:
    """Return `1 file` or `1,797 files`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def whole_credits(gpu_milliseconds: int) -> str:
    """Return what is left in credits and hundredths, rounded down: what is shown can be spent."""
    return f"{gpu_milliseconds * 100 // _GPU_MS_PER_CREDIT / 100:.2f}"


def credits_of(gpu_milliseconds: int, sign: str = "", digits: int = 2) -> str:
    """Return an amount of the ledger in credits: 1 credit is 1 GPU-minute."""
    return f"{gpu_milliseconds / _GPU_MS_PER_CREDIT:{sign}.{digits}f}"


def summary(values: Mapping[str, float]) -> str:
    """Return reported values such as `epoch=3, loss=0.1234`."""
    return clean(", ".join(f"{name}={value:.6g}" for name, value in sorted(values.items())))


def moment(stamp: "Timestamp") -> datetime | None:
    """Return a timestamp of a message; None if it was never set."""
    if not stamp.seconds and not stamp.nanos:
        return None
    return stamp.ToDatetime(tzinfo=UTC)


def iso(stamp: "Timestamp") -> str | None:
    """Return a timestamp such as 2026-01-31T14:05:06.123Z."""
    time = moment(stamp)
    return None if time is None else times.iso(time)


def when(stamp: "Timestamp") -> str:
    """Return "2 minutes ago" for people, and the time itself where a program reads along."""
    return when_at(moment(stamp))


def when_at(time: datetime | None) -> str:
    """Return the same of a time."""
    if time is None:
        return ""
    if not is_terminal():
        return times.iso(time)
    import humanize

    return humanize.naturaltime(time, when=datetime.now(UTC))


def clock(stamp: "Timestamp") -> str:
    """Return a time by the local clock for people, and as `when` where a program reads along."""
    time = moment(stamp)
    if time is None or not is_terminal():
        return iso(stamp) or ""
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    """Return a span such as 25ms, 1.3s, 42s, 3m 05s or 2h 07m."""
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f}ms"
    if seconds < 10:  # noqa: PLR2004 - below, tenths matter
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02}m"
    return f"{minutes}m {rest:02}s" if minutes else f"{rest}s"


def elapsed(start: "Timestamp", end: "Timestamp", then: datetime | None = None) -> str:
    """Return how long it took, until then or now if it has not ended; empty if it never began."""
    began, ended = moment(start), moment(end)
    if began is None:
        return ""
    return duration(((ended or then or datetime.now(UTC)) - began).total_seconds())
