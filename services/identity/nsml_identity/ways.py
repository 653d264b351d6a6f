"""How people come in: what a login is good for, and logins at the provider that are under way."""

import asyncio
import os
from collections.abc import Mapping
from datetime import timedelta

from nsml_core.errors import Invalid, Refused
from nsml_identity.providers import Begun, Provider, Vouched, read
from nsml_identity.under_way import UnderWay

_HOURS = 160


class Ways:
    """What the settings say of logging in."""

    def __init__(self, under_way: UnderWay, environ: Mapping[str, str] = os.environ) -> None:
        client = read(environ)
        self.provider = Provider(client) if client else None
        self.lifetime = timedelta(hours=_hours(environ))
        self._under_way = under_way

    async def begin(self) -> tuple[str, Begun]:
        """Begin a login at the provider; return its handle."""
        provider = self._provider()
        await self._under_way.check_room()
        begun = await asyncio.to_thread(provider.begin)
        return await self._under_way.begin(begun), begun

    async def end(self, handle: str) -> Vouched | None:
        """Return who has logged in; None: nobody yet. The provider is not asked too often."""
        code = await self._under_way.claim(handle)
        if code is None:
            return None
        vouched = await asyncio.to_thread(self._provider().end, code)
        if vouched is not None:
            await self._under_way.end(handle)
        return vouched

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
