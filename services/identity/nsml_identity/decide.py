"""What may be asked of identity about people, and what then happens."""

import re

from google.protobuf.message import Message

from nsml_core.errors import AlreadyExists, Invalid
from nsml_protos.identity_pb2 import Registered, User

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,19}")


def check_name(name: str, whose: str = "a user's") -> None:
    """Refuse a name that is not portable: it begins the names of sessions."""
    if not _NAME.fullmatch(name):
        raise Invalid(
            f"'{name}' cannot be {whose} name: use 1 to 20 letters, digits, - or _, "
            "beginning with a letter or digit."
        )


def portable(text: str) -> str:
    """Return a name that may be used, as near to a text as can be."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", text)[:20].lstrip("-_") or "user"


def register(state: User, *, name: str, admin: bool) -> list[Message]:
    """Make a person known; known people stay as they are."""
    check_name(name)
    if state.team or state.erased:
        raise AlreadyExists(f"The name {name} is taken: choose another.")
    return [] if state.name else [Registered(name=name, admin=admin)]
