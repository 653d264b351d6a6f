"""Times as people and programs read them."""

from datetime import datetime


def iso(time: datetime) -> str:
    """Return a time of UTC such as 2026-01-31T14:05:06.123Z."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
