"""Sessions that wait until others have ended well, as `nsml run --after SESSION` asks."""

import re

from nsml_core.errors import Invalid, NotFound, Refused
from nsml_protos.session_pb2 import Session, Status
from nsml_session.state import LIVE

_SESSION = re.compile(r"[A-Za-z0-9_-]+/[A-Za-z0-9_-]+/[0-9]+")


def checked(name: str) -> str:
    """Return the name of a session to follow, if it is one."""
    if not _SESSION.fullmatch(name):
        raise Invalid(f"'{name[:100]}' is not a session's name: it looks like ann/mnist/3.")
    return name


def has_to_end(name: str, state: Session, *, is_seen: bool) -> bool:
    """Tell whether a session is still to be waited for; one that did not end well is refused."""
    if not state.name or state.removed or not is_seen:
        raise NotFound(f"There is no session {name}: `nsml ps -a` shows yours.")
    if state.status in LIVE:
        return True
    if state.status != Status.EXITED:
        ended = Status.Name(state.status).lower()
        raise Refused(
            f"{name} did not end well, it is {ended}: `nsml resume {name}` first, or leave "
            "out --after."
        )
    return False
