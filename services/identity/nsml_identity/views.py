"""What may be seen of people and teams."""

from nsml_core.tables import Column, StateTable, message_rows
from nsml_core.views import Schema, View
from nsml_identity.state import USER
from nsml_protos.identity_pb2 import User


def _joined(user: User) -> str:
    return "\n".join(member.name for member in user.members)


USERS = StateTable(
    "person",
    USER,
    {
        "team": Column("boolean", lambda user: user.team),
        "members": Column("text", _joined),
    },
)
SCHEMA = Schema("identity", ("nsml.identity.>",), (USERS,), version=2)


async def list_users(view: View) -> list[User]:
    """Return everybody, by name, without what is theirs alone to see."""
    rows = await view.pool.fetch("select state from identity.person where not team order by key")
    users: list[User] = message_rows(rows, User)
    return [public(user) for user in users if not user.erased]


async def list_teams(view: View, member: str | None) -> list[User]:
    """Return the teams of somebody, by name; None: all."""
    rows = await view.pool.fetch(
        "select state from identity.person where team and "
        "($1::text is null or $1 = any(string_to_array(members, E'\\n'))) order by key",
        member,
    )
    return message_rows(rows, User)


def public(user: User) -> User:
    """Return what anybody may know of a person."""
    return User(
        name=user.name,
        admin=user.admin,
        registered=user.registered,
        disabled=user.disabled,
    )
