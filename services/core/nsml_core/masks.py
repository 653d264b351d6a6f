"""What others may know of a session that they may not see: that it is there, and no name: pure."""

import re
from collections.abc import Callable

SOMEBODY = "somebody"
SOMEBODYS = f"a session of {SOMEBODY}"

_SESSION = re.compile(r"(?<![\w/-])([A-Za-z0-9][\w-]*)/[\w-]+/[0-9]+(?![\w/-])", re.ASCII)


def masked(text: str, sees: Callable[[str], bool]) -> str:
    """Return a sentence without the names of sessions whose owners the reader does not see."""
    return _SESSION.sub(lambda found: found[0] if sees(found[1]) else SOMEBODYS, text)
