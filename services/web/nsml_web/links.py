"""Links that log in once: whoever has a token asks for one, and opens it in a browser."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_SECONDS = 600.0
_MOST = 1000


@dataclass(frozen=True)
class _Link:
    token: str
    to: str
    until: float


class Links:
    """What was handed out and not yet used; nothing of it outlives the process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: OrderedDict[str, _Link] = OrderedDict()

    def make(self, token: str, to: str) -> str:
        """Return a code that logs the bearer of this token in, once, within ten minutes."""
        code = secrets.token_urlsafe(24)
        self._open[code] = _Link(token, local(to), self._clock() + _SECONDS)
        while len(self._open) > _MOST:
            self._open.popitem(last=False)
        return code

    def take(self, code: str) -> tuple[str, str] | None:
        """Return the token of a code, and where it leads; never twice."""
        link = self._open.pop(code, None)
        if link is None or link.until < self._clock():
            return None
        return link.token, link.to


def local(to: str) -> str:
    """Return a place of this web; whatever leads elsewhere leads to its first page."""
    is_path = to.startswith("/") and not to.startswith("//") and to.isprintable()
    return to if is_path and "\\" not in to else "/"
