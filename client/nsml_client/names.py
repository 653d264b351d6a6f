"""What people type: names, sizes, variables, times; checked before anything is sent."""

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from nsml_core.errors import Invalid

if TYPE_CHECKING:  # it takes a while, and few need it
    from nsml_protos import session_pb2

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,19}")
_SESSION = re.compile(r"[A-Za-z0-9_-]+/[A-Za-z0-9_-]+/[0-9]+")
_PATTERN = re.compile(r"[A-Za-z0-9_*?/-]+")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?", re.IGNORECASE)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_SLASHES = 2
PRIORITIES = ("low", "normal", "high")
_CLASS = re.compile(r"[a-z][a-z0-9-]{0,19}")
_EVENT_MAX = 1 << 63
_SECONDS_MAX = (1 << 31) - 1
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_MEMORY_BYTES_MIN, _MEMORY_BYTES_MAX = 1 << 20, 1 << 60


class DatasetName(NamedTuple):
    """NAME or NAME@REVISION."""

    name: str
    revision: int | None

    def __str__(self) -> str:
        return self.name if self.revision is None else f"{self.name}@{self.revision}"


def dataset(text: str) -> DatasetName:
    """Read NAME or NAME@REVISION."""
    name, at, revision = text.partition("@")
    if not _NAME.fullmatch(name):
        raise Invalid(
            f"{text!r} is no dataset name: use 1 to 20 of A-Z a-z 0-9 _ -, a letter or digit first."
        )
    if at and not (revision.isdecimal() and int(revision) > 0):
        raise Invalid(f"{revision!r} is no revision: write {name}@1, {name}@2 and so on.")
    return DatasetName(name, int(revision) if at else None)


def is_pattern(text: str) -> bool:
    return "*" in text or "?" in text


def session(text: str, user: str) -> str:
    """Read USER/DATASET/N, or DATASET/N of one's own."""
    name = text.strip().rstrip("/")
    return _checked(f"{user}/{name}" if name.count("/") == 1 else name, _SESSION, text)


def session_list(given: str | Iterable[str], user: str) -> list[str]:
    """Read the names of sessions, or of one."""
    return [session(text, user) for text in ([given] if isinstance(given, str) else given)]


def sessions(text: str, user: str) -> str:
    """Read a session's name, or a pattern of them: USER/*, or DATASET/1? and * of one's own."""
    if not is_pattern(text):
        return session(text, user)
    name = text.strip().rstrip("/")
    is_whole = name.count("/") == _SLASHES or name.startswith(f"{user}/")
    return _checked(name if is_whole else f"{user}/{name}", _PATTERN, text)


def _checked(name: str, good: re.Pattern[str], typed: str) -> str:
    if not good.fullmatch(name):
        raise Invalid(
            f"{typed!r} is no session name: it looks like ann/mnist/3, or mnist/3 for your own; "
            "`nsml ps -a` lists them."
        )
    return name


def priority(text: str) -> "session_pb2.Priority.ValueType":
    """Read low, normal or high; of a class that an admin named, its priority is nothing."""
    from nsml_protos import session_pb2

    if text in PRIORITIES:
        return session_pb2.Priority.Value(text.upper())
    return session_pb2.Priority.PRIORITY_UNSPECIFIED


def priority_class(text: str) -> str:
    """Return the name of a class that an admin named; nothing for low, normal and high."""
    if text in PRIORITIES:
        return ""
    if not _CLASS.fullmatch(text):
        raise Invalid(f"{text!r} is no priority: it is low, normal, high, or a class's name.")
    return text


def memory(text: str | int) -> int:
    """Read a size such as 8G, 50GB, 512M or plain bytes; a K is 1024."""
    if isinstance(text, int):
        return text
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise Invalid(f"{text!r} is no size: write it like 512M or 8G.")
    size = float(found[1]) * _UNITS[found[2].upper()]
    if size < _MEMORY_BYTES_MIN:
        raise Invalid(f"{text!r} is too little: write it like 512M or 8G.")
    if size > _MEMORY_BYTES_MAX:
        raise Invalid(f"{text!r} is too much: write it like 512M or 8G.")
    return int(size)


def variables(pairs: Iterable[str]) -> dict[str, str]:
    """Read KEY=VALUE, several times."""
    read = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not _VARIABLE.fullmatch(key):
            raise Invalid(f"{pair!r} is no environment variable: write it like --env KEY=VALUE.")
        read[key] = value
    return read


def arguments(texts: Iterable[str]) -> list[str]:
    """Split what stands in `-a "…"` as a shell would."""
    try:
        return [word for text in texts for word in shlex.split(text)]
    except ValueError as error:
        raise Invalid(f"The arguments cannot be split ({error}): close the quotes.") from None


def words(given: str | Iterable[str]) -> list[str]:
    """Return arguments: words as they are, or one line of them."""
    return arguments([given]) if isinstance(given, str) else list(given)


def json_object(given: Mapping[str, Any] | None) -> str | None:
    """Write what a session is configured with as the log keeps it."""
    try:
        return None if given is None else json.dumps(given, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise Invalid(f"What configures a session must be JSON ({error}).") from None


def seconds(text: str) -> int:
    """Read how long something may take: 90, 45m, 2h, 1d12h."""
    found = _DURATION.fullmatch(text.strip())
    if text.strip().isdecimal():
        number = int(text)
    elif found and found[0]:
        days, hours, minutes, rest = (int(part or 0) for part in found.groups())
        number = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    else:
        number = 0
    if not 0 < number <= _SECONDS_MAX:
        raise Invalid(f"{text!r} is no length of time: write it like 90, 45m, 2h or 1d12h.")
    return number


def since(text: str, now: datetime) -> int:
    """Read `10m`, `1h30m`, `2d` or a date and time; return microseconds since 1970."""
    found = _DURATION.fullmatch(text.strip())
    if found and found[0]:
        days, hours, minutes, seconds = (int(number or 0) for number in found.groups())
        try:
            start = now - timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        except OverflowError:  # longer ago than there are dates: from the first line
            return 0
    else:
        start = _moment(text)
    return int(start.timestamp() * 1_000_000)


class Moment(NamedTuple):
    """A moment of the past: one of a session's events, or a time; neither is now."""

    sequence: int = 0
    time_us: int = 0

    @property
    def time(self) -> datetime | None:
        return datetime.fromtimestamp(self.time_us / 1e6, UTC) if self.time_us else None


NOW = Moment()

At = Moment | str | int | datetime
"""A moment as it is given: an event's number, a time, `10m` ago or `2026-01-31T14:05`; "": now."""


def event(text: str) -> int:
    """Read the number of an event, as `nsml history` shows it."""
    if not text.isdecimal() or not 0 < int(text) < _EVENT_MAX:
        raise Invalid(f"{text!r} is no event: `nsml history SESSION` shows their numbers.")
    return int(text)


def moment(text: str, now: datetime) -> Moment:
    """Read an event's number, or a time."""
    return Moment(sequence=event(text)) if text.isdecimal() else time(text, now)


def then(at: At, *, events: bool = False) -> Moment:
    """Read a time, or an event's number where events have one."""
    if isinstance(at, Moment):
        return at
    if isinstance(at, datetime):
        return Moment(time_us=int(at.timestamp() * 1_000_000))
    if not at:
        return NOW
    return moment(str(at), now()) if events else time(str(at), now())


def time(text: str, now: datetime) -> Moment:
    """Read a time; what happened in its second, or millisecond, had happened."""
    start = since(text, now)
    if not 0 < start <= int(now.timestamp() * 1_000_000):
        raise Invalid(f"{text!r} is no time of the past: write 10m, 2h, 1d or 2026-01-31T14:05.")
    for unit in (1_000_000, 1_000):
        if start % unit == 0:
            return Moment(time_us=start + unit - 1)
    return Moment(time_us=start)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Invalid(f"{text!r} is no time: write 30s, 10m, 2h, 1d or 2026-01-31T14:05.") from None
    return moment if moment.tzinfo else moment.astimezone()


def now() -> datetime:
    return datetime.now(UTC)
