"""What may be seen of people."""

from nsml_core.tables import StateTable, message_rows
from nsml_core.views import Schema, View
from nsml_identity.state import USER
from nsml_protos.identity_pb2 import User

USERS = StateTable("person", USER)
SCHEMA = Schema("identity", ("nsml.identity.>",), (USERS,))


async def list_users(view: View) -> list[User]:
    """Return everybody, by name."""
    rows = await view.pool.fetch("select state from identity.person order by key")
    return message_rows(rows, User)
