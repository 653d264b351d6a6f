"""Values as people read them on a page, in their language."""

import json
import shlex
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from babel import Locale
from babel.dates import format_timedelta
from babel.numbers import format_decimal
from google.protobuf.timestamp_pb2 import Timestamp

from nsml_client.credit import in_credits
from nsml_client.facts import LIVE
from nsml_protos import session_pb2

_STEP = 1024
_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")
_SECOND = timedelta(seconds=1)
_SKEW = timedelta(seconds=5)


def moment(stamp: Timestamp) -> datetime | None:
    """Return a timestamp of a message; None if it was never set."""
    if not stamp.seconds and not stamp.nanos:
        return None
    return stamp.ToDatetime(tzinfo=UTC)


def iso(stamp: Timestamp) -> str:
    """Return a time as machines read it."""
    time = moment(stamp)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z") if time else ""


def size(number: int) -> str:
    """Return a number of bytes such as 116.72 KB; a KB is 1024, as in the terminal."""
    value, unit = float(number), 0
    while value >= _STEP and unit < len(_UNITS) - 1:
        value, unit = value / _STEP, unit + 1
    return f"{number} B" if unit == 0 else f"{value:.2f} {_UNITS[unit]}"


def status(one: session_pb2.Session) -> str:
    """Return such as `Running`."""
    return session_pb2.Status.Name(one.status).capitalize()


def purpose(one: session_pb2.Session) -> str:
    """Return what a session that does not train is for, such as `submit`."""
    return session_pb2.Purpose.Kind.Name(one.spec.purpose.kind).lower()


def is_live(one: session_pb2.Session) -> bool:
    """Tell whether a session has not ended."""
    return one.status in LIVE


def short_size(number: int) -> str:
    """Return a number of bytes as commands take it, such as 170G; empty for none."""
    value, unit = number, 0
    while value and value % _STEP == 0 and unit < len(_UNITS) - 1:
        value, unit = value // _STEP, unit + 1
    return f"{value}{_UNITS[unit][0] if unit else ''}" if number else ""


def command(words: Iterable[str]) -> str:
    """Return words as a shell takes them."""
    return shlex.join(words)


def value(number: float) -> str:
    """Return a reported value."""
    return f"{number:.6g}"


def elapsed(began: Timestamp, ended: Timestamp) -> str:
    """Return how long it took, or has taken; empty if it never began."""
    start = moment(began)
    return span(((moment(ended) or now()) - start).total_seconds()) if start else ""


def span(seconds: float) -> str:
    """Return a length of time such as 42s, 3m 05s, 2h 07m or 3d 04h."""
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours:02}h"
    if hours:
        return f"{hours}h {minutes:02}m"
    return f"{minutes}m {rest:02}s" if minutes else f"{rest}s"


def pretty(text: str) -> str:
    """Return JSON, set for reading."""
    return json.dumps(json.loads(text), indent=2, ensure_ascii=False) if text else ""


def credit(gpu_milliseconds: int) -> str:
    """Return an amount of the ledger in credits."""
    return f"{in_credits(gpu_milliseconds):,.2f}"


def now() -> datetime:
    return datetime.now(UTC)


def filters(locale: Locale) -> Mapping[str, Callable[..., Any]]:
    """Return what templates say values with."""

    def ago(stamp: Timestamp) -> str:
        time = moment(stamp)
        if time is None:
            return ""
        away = time - now()
        if abs(away) < _SKEW:  # by another machine's clock it may seem to come yet
            away = min(away, -_SECOND)
        return format_timedelta(away, add_direction=True, format="short", locale=locale)

    def number(given: float) -> str:
        return str(format_decimal(given, locale=locale))

    return {
        "ago": ago,
        "command": command,
        "credit": credit,
        "elapsed": elapsed,
        "is_live": is_live,
        "iso": iso,
        "number": number,
        "pretty": pretty,
        "purpose": purpose,
        "short_size": short_size,
        "size": size,
        "span": span,
        "status": status,
        "value": value,
    }
