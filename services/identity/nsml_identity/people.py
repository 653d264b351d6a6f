"""What is personal: in tables of their own, which follow from no event and can be erased.

Backups hold them, and no log does. A password is kept as its argon2 hash, an invitation as the
hash of 256 random bits.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from nsml_core.database import Pool, make_tables

INVITATION_HOURS = 72

_PERSON = (
    "create table if not exists identity_people.person (name text primary key, "
    "mail text not null default '', full_name text not null default '', password text, "
    "invitation text, invited timestamptz, login text)"
)
_LINK = (
    "create table if not exists identity_people.link (issuer text, subject text, "
    "name text not null, primary key (issuer, subject))"
)


@dataclass(frozen=True)
class Secrets:
    """By what a person may come in."""

    password: str | None
    invitation: str | None
    invited: datetime | None

    def is_invited(self, code: str, now: datetime) -> bool:
        """Tell whether a code is the invitation, and still good."""
        if not self.invitation or self.invited is None:
            return False
        fresh = now - self.invited < timedelta(hours=INVITATION_HOURS)
        return fresh and secrets.compare_digest(self.invitation, _digest(code))


class People:
    """The tables."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def open(self) -> None:
        """Make the tables if they are not there."""
        await make_tables(self._pool, "identity_people", _PERSON, _LINK)

    async def secrets(self, name: str) -> Secrets:
        row = await self._pool.fetchrow(
            "select password, invitation, invited from identity_people.person where name = $1", name
        )
        return Secrets(*row) if row else Secrets(None, None, None)

    async def has_any(self) -> bool:
        """Tell whether anybody could come in by a password, or by choosing one."""
        found: bool = await self._pool.fetchval(
            "select exists (select from identity_people.person "
            "where password is not null or invitation is not null)"
        )
        return found

    async def invite(self, name: str, *, login: str, mail: str, full_name: str) -> str:
        """Return a new invitation; the one before is void, and what is not said stays."""
        code = secrets.token_urlsafe(32)
        await self._pool.execute(
            "insert into identity_people.person as p "
            "(name, mail, full_name, invitation, invited, login) values ($1, $2, $3, $4, $5, $6) "
            "on conflict (name) do update set invitation = $4, invited = $5, "
            "mail = coalesce(nullif($2, ''), p.mail), login = coalesce($6, p.login), "
            "full_name = coalesce(nullif($3, ''), p.full_name)",
            name,
            mail,
            full_name,
            _digest(code),
            datetime.now(UTC),
            login or None,
        )
        return code

    async def set_password(self, name: str, password: str) -> None:
        """Keep the hash of a password; an invitation is used up by it."""
        await self._pool.execute(
            "insert into identity_people.person (name, password) values ($1, $2) "
            "on conflict (name) do update set password = $2, invitation = null",
            name,
            password,
        )

    async def linked(self, issuer: str, subject: str) -> str | None:
        """Return whom a provider means by a subject."""
        found: str | None = await self._pool.fetchval(
            "select name from identity_people.link where issuer = $1 and subject = $2",
            issuer,
            subject,
        )
        return found

    async def expected(self, login: str) -> str | None:
        """Return whom an admin said to be the one of this name at the provider; once."""
        found: str | None = await self._pool.fetchval(
            "update identity_people.person set login = null, invitation = null "
            "where lower(login) = lower($1) returning name",
            login,
        )
        return found

    async def link(self, issuer: str, subject: str, name: str) -> None:
        """Remember whom a provider means by a subject."""
        await self._pool.execute(
            "insert into identity_people.link values ($1, $2, $3) on conflict do nothing",
            issuer,
            subject,
            name,
        )

    async def erase(self, name: str) -> None:
        """Forget everything that is personal of somebody."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("delete from identity_people.link where name = $1", name)
            await connection.execute("delete from identity_people.person where name = $1", name)


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
