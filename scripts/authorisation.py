"""Write docs/authorisation.md: who may call what, as the protos and the core say it.

`python scripts/authorisation.py > docs/authorisation.md`
"""

import importlib
import pkgutil
import sys
from collections.abc import Iterator

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

import nsml_protos
from nsml_core.authority import MEANINGS
from nsml_protos import options_pb2
from nsml_protos.identity_pb2 import Role
from nsml_protos.options_pb2 import Access, Need
from nsml_web.rules import LOGIN, OPEN, RULES

_HEAD = """\
# Who may do what

This page is made of the code by `python scripts/authorisation.py`; one test holds it against the
code, and others ask every RPC and every address of the web as every kind of person
(`tests/services/test_access.py`, `tests/web/test_routes.py`).

Each method says in its proto which *kinds of caller* it admits, and what a *person* needs to be to
the owner of what they ask about. An owner is a person or a team. A team has viewers, members and
owners, each of whom may all that those before them may; what a person owns, they own alone.

What one may not see does not exist: the answer is that of a name that is not there, and no list,
pattern, history, family or queue shows it. Who leaves a team, is disabled, or whose token is
revoked is out within about a second, from calls under way too.

A service may call what admits services, for whomever it acts; the runner of an attempt may speak
for its own session only, and for no later attempt of it.

## What the needs mean

| need | who | a narrowed token needs |
|---|---|---|
"""

_WEB = """
## The web

It asks the services with the token of whoever has logged in, so that each address gives what the
RPC does that it asks, and refuses whom that refuses. Who has not logged in is led to the login;
forms need the token that stands in them, too. What a form makes is one's own, so that a fork needs
SEE of what it is made of, and a submission does of who is no admin. A narrowed token needs `read`
beside what the table says, for pages show more than what they are about.

| address | RPC | need |
|---|---|---|
"""

_ROLES = {
    Role.ROLE_UNSPECIFIED: "everybody who has a token",
    Role.VIEWER: "who has any role",
    Role.MEMBER: "members and owners",
    Role.OWNER: "owners",
}

_UNASKED = {OPEN: "none: it is open", LOGIN: "a login"}

_SPECIAL = {
    Need.SELF: "oneself",
    Need.ADMIN: "admins of the platform",
}


def services() -> Iterator[ServiceDescriptor]:
    """Yield every service that a proto file describes, by name."""
    files = [
        importlib.import_module(f"nsml_protos.{module.name}")
        for module in pkgutil.iter_modules(nsml_protos.__path__)
        if module.name.endswith("_pb2")
    ]
    found = {name: one for f in files for name, one in f.DESCRIPTOR.services_by_name.items()}
    yield from (found[name] for name in sorted(found))


def page() -> str:
    """Return the whole page."""
    lines = [_HEAD + "\n".join(_meanings())]
    for service in services():
        lines += [f"\n## {service.name}\n", "| method | kinds of caller | need |", "|---|---|---|"]
        lines += [_row(method) for method in service.methods]
    return "\n".join([*lines, _WEB + "\n".join(_addresses())]) + "\n"


def _addresses() -> Iterator[str]:
    known = {f"{one.name}/{method.name}": method for one in services() for method in one.methods}
    for address, asks in RULES.items():
        method, _, path = address.partition(" ")
        said = f"{method} `{path.replace(':int', '')}`"
        if asks in known:
            need = known[asks].GetOptions().Extensions[options_pb2.needs]
            yield f"| {said} | {asks} | {Need.Name(need) if need else 'none: it is open'} |"
        else:
            yield f"| {said} |  | {_UNASKED[asks]} |"


def _meanings() -> Iterator[str]:
    for need, meaning in MEANINGS.items():
        who = _SPECIAL.get(need, _ROLES[Role.ValueType(meaning.role)])
        who += ", for what is private; else everybody" if meaning.public_too else ""
        if need not in _SPECIAL and meaning.role:
            who += "; admins too" if meaning.admins_too else "; no admin in their place"
        scopes = "`read` or `write`" if meaning.scope == "read" else f"`{meaning.scope}`"
        yield f"| {Need.Name(need)} | {who} | {scopes} |"


def _row(method: MethodDescriptor) -> str:
    options = method.GetOptions().Extensions
    kinds = ", ".join(Access.Name(kind).lower() for kind in sorted(options[options_pb2.access]))
    need = options[options_pb2.needs]
    return f"| {method.name} | {kinds} | {Need.Name(need) if need else ''} |"


if __name__ == "__main__":
    sys.stdout.write(page())
