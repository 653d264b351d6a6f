"""Logins at the provider that are under way: in a table, so that any replica may end them.

A handle is kept as its hash. What has expired is forgotten with the next login that begins; the
database's clock counts, as it is one for all replicas.
"""

import hashlib
import secrets

from nsml_core.database import Pool, make_tables
from nsml_core.errors import Exhausted, Refused
from nsml_identity.providers import Begun

MAX = 1_000

_TABLE = (
    "create table if not exists identity_people.under_way (handle text primary key, "
    "device_code text not null, seconds integer not null, ends timestamptz not null, "
    "again timestamptz not null)"
)
_FORGET = "delete from identity_people.under_way where ends < now()"
_BEGIN = (
    "insert into identity_people.under_way "
    "select $1, $2, $3, now() + make_interval(secs => $4), now() "
    "where (select count(*) from identity_people.under_way) < $5 returning handle"
)
_CLAIM = (
    "update identity_people.under_way set again = now() + make_interval(secs => seconds) "
    "where handle = $1 and ends > now() and again <= now() returning device_code"
)
_KNOWN = "select true from identity_people.under_way where handle = $1 and ends > now()"


class UnderWay:
    """The table."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def open(self) -> None:
        """Make it if it is not there."""
        await make_tables(self._pool, "identity_people", _TABLE)

    async def check_room(self) -> None:
        """Refuse one more where too many are under way; the provider is not asked for it."""
        await self._pool.execute(_FORGET)
        if await self._pool.fetchval("select count(*) from identity_people.under_way") >= MAX:
            raise _too_many()

    async def begin(self, begun: Begun) -> str:
        """Return the handle of a login that has begun."""
        handle = secrets.token_urlsafe(32)
        asked = (_digest(handle), begun.device_code, begun.interval, float(begun.expires), MAX)
        if await self._pool.fetchval(_BEGIN, *asked) is None:
            raise _too_many()
        return handle

    async def claim(self, handle: str) -> str | None:
        """Return by what the provider knows a login; None: it was asked a moment ago."""
        code: str | None = await self._pool.fetchval(_CLAIM, _digest(handle))
        if code is None and not await self._pool.fetchval(_KNOWN, _digest(handle)):
            raise Refused("That login has expired: `nsml login` begins another.")
        return code

    async def end(self, handle: str) -> None:
        """Forget a login."""
        await self._pool.execute(
            "delete from identity_people.under_way where handle = $1", _digest(handle)
        )


def _too_many() -> Exhausted:
    return Exhausted("Too many log in at once: try again in some minutes.")


def _digest(handle: str) -> str:
    return hashlib.sha256(handle.encode()).hexdigest()
