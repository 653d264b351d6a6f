"""What may be asked of identity, and what then happens."""

import re

from google.protobuf.message import Message

from nsml_core.errors import Invalid
from nsml_protos.identity_pb2 import Registered, User

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,19}")


def register(state: User, *, name: str, admin: bool) -> list[Message]:
    """Make a person known; known people stay as they are."""
    if not _NAME.fullmatch(name):
        raise Invalid(
            f"'{name}' cannot be a user's name: use 1 to 20 letters, digits, - or _, "
            "beginning with a letter or digit."
        )
    return [] if state.name else [Registered(name=name, admin=admin)]
