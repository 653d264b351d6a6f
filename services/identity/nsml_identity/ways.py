"""How people come in: what a login is good for, and logins at the provider that are under way."""

import asyncio
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from nsml_core.errors import Exhausted, Invalid, Refused
from nsml_identity.providers import Begun, Provider, Vouched, read

_HOURS = 160
_UNDER_WAY_MAX = 1_000


@dataclass
class _UnderWay:
    begun: Begun
    ends: float
    again: float


class Ways:
    """What the settings say of logging in."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        client = read(environ)
        self.provider = Provider(client) if client else None
        self.lifetime = timedelta(hours=_hours(environ))
        self._under_way: OrderedDict[str, _UnderWay] = OrderedDict()

    async def begin(self) -> tuple[str, Begun]:
        """Begin a login at the provider; return its handle."""
        provider = self._provider()
        self._forget()
        if len(self._under_way) >= _UNDER_WAY_MAX:
            raise Exhausted("Too many log in at once: try again in some minutes.")
        begun = await asyncio.to_thread(provider.begin)
        handle, now = secrets.token_urlsafe(32), time.monotonic()
        self._under_way[handle] = _UnderWay(begun, now + begun.expires, now)
        return handle, begun

    async def end(self, handle: str) -> Vouched | None:
        """Return who has logged in; None: nobody yet. The provider is not asked too often."""
        self._forget()
        known = self._under_way.get(handle)
        if known is None:
            raise Refused("That login has expired: `nsml login` begins another.")
        now = time.monotonic()
        if now < known.again:
            return None
        known.again = now + known.begun.interval
        vouched = await asyncio.to_thread(self._provider().end, known.begun)
        if vouched is not None:
            self._under_way.pop(handle, None)
        return vouched

    def _forget(self) -> None:
        now = time.monotonic()
        for handle in [one for one, known in self._under_way.items() if known.ends < now]:
            del self._under_way[handle]

    def _provider(self) -> Provider:
        if self.provider is None:
            raise Refused("No provider vouches for people here: log in with name and password.")
        return self.provider


def _hours(environ: Mapping[str, str]) -> float:
    text = environ.get("NSML_LOGIN_HOURS") or str(_HOURS)
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not 0 < hours <= 24 * 365:
        raise Invalid(f"NSML_LOGIN_HOURS is {text!r}: write a number of hours, up to a year.")
    return hours
