"""Names that requests were given, by whichever replica, so that a request leads to one session.

A request that is sent again may reach another replica while the first is still at it. Both try the
name that was written down first, and the log takes one entry of a name.
"""

import asyncio
from contextlib import suppress
from typing import Any

from nsml_core.database import AWAY, Pool

_PAUSE_SECONDS = 3600.0


class Claims:
    """A table of requests that were begun."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def reserve(self, owner: str, key: str, name: str) -> str:
        """Return the name that a request is to have: this one, or what it was given before."""
        found: str = await self._pool.fetchval(_RESERVE, owner, key, name)
        return found

    async def replace(self, owner: str, key: str, taken: str, name: str) -> str:
        """Return the next name of a request whose first another has taken."""
        await self._pool.execute(_REPLACE, owner, key, taken, name)
        return await self.reserve(owner, key, name)

    async def tidy(self) -> None:
        """Forget what nobody asks for any more, for ever."""
        while True:
            with suppress(*AWAY):  # an hour later it is done all the same
                await self._pool.execute(_FORGET)
            await asyncio.sleep(_PAUSE_SECONDS)


async def make(connection: Any) -> None:
    """Make the table if it is not there."""
    await connection.execute(_TABLE)


_TABLE = (
    "create table if not exists session_frames.claim (owner text, key text, name text not null, "
    "made timestamptz not null default now(), primary key (owner, key))"
)
_RESERVE = (
    "insert into session_frames.claim values ($1, $2, $3) "
    "on conflict (owner, key) do update set name = claim.name returning name"
)
_REPLACE = "update session_frames.claim set name = $4 where owner = $1 and key = $2 and name = $3"
# Nobody sends a request again after so long.
_FORGET = "delete from session_frames.claim where made < now() - interval '1 day'"
