"""The identity service, wired."""

import getpass
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from nsml_core import auth
from nsml_core.caller import Caller
from nsml_core.calls import Call
from nsml_core.serve import Face, Floor
from nsml_core.store import Store
from nsml_identity import decide
from nsml_identity.logins_servicer import Logins
from nsml_identity.people import People
from nsml_identity.servicer import Identity
from nsml_identity.state import USER
from nsml_identity.under_way import UnderWay
from nsml_identity.views import USERS
from nsml_identity.ways import Ways
from nsml_protos import identity_pb2
from nsml_protos.identity_pb2 import User
from nsml_protos.identity_pb2_grpc import (
    add_IdentityServicer_to_server,
    add_LoginsServicer_to_server,
)


@asynccontextmanager
async def lifespan(floor: Floor) -> AsyncIterator[Sequence[Face]]:
    """Serve identity; in the embedded mode the one local user is known from the start."""
    people = Store(floor.log, USER, floor.view.snapshots(USERS))
    known = People(floor.pool)
    await known.open()
    await _register_local_user(people, floor)
    services = identity_pb2.DESCRIPTOR.services_by_name
    identity = Identity(people, floor.view, floor.secret, floor.directory, known)
    under_way = UnderWay(floor.pool)
    await under_way.open()
    logins = Logins(people, known, Ways(under_way), floor.secret)
    yield [
        Face(services["Identity"], add_IdentityServicer_to_server, identity),
        Face(services["Logins"], add_LoginsServicer_to_server, logins),
    ]


async def _register_local_user(people: Store[User], floor: Floor) -> None:
    name = local_user()
    context = Call(Caller("service", "identity")).context()
    await people.decide(name, context, lambda state: decide.register(state, name=name, admin=True))
    token = auth.issue(floor.secret, Caller("user", name, admin=True))
    _write_private(floor.settings.token_file, token)


def local_user() -> str:
    """Return the local user's name here: `NSML_USER`, or the login name in portable letters."""
    try:
        name = os.environ.get("NSML_USER") or getpass.getuser()
    except (KeyError, OSError):  # a process of a uid that has no name, as in some containers
        name = f"u{os.getuid()}"
    return decide.portable(name)


def _write_private(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)
