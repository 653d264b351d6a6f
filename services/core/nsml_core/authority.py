"""Who may do what with whose things: the one table of the platform, and the one function: pure.

Which kinds of caller a method admits, and what a person needs to be, are options on the method
(protos/nsml_protos/options.proto). Here is what each need means. docs/authorisation.md is made of
both.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from nsml_core.caller import Caller
from nsml_core.errors import NotPermitted, Refused, Unauthenticated
from nsml_protos import options_pb2
from nsml_protos.identity_pb2 import Role
from nsml_protos.options_pb2 import Access, Need

KINDS = {"user": Access.USER, "service": Access.SERVICE, "runner": Access.RUNNER}

READ, WRITE, MANAGE, ADMIN = SCOPES = ("read", "write", "manage", "admin")
"""What a token can be narrowed to; `write` holds `read`."""


@dataclass(frozen=True)
class Meaning:
    """What a need asks of a person."""

    role: int
    """The least role in the team that owns the thing; who owns it alone has the highest."""

    scope: str
    """One that the token has to have, if it is narrowed."""

    admins_too: bool = True
    """An admin of the platform needs no role."""

    public_too: bool = False
    """For what is not private nobody needs a role."""


MEANINGS = {
    Need.LOOK: Meaning(Role.ROLE_UNSPECIFIED, READ),
    Need.SEE: Meaning(Role.VIEWER, READ, public_too=True),
    Need.MAKE: Meaning(Role.MEMBER, WRITE, admins_too=False),
    Need.CHANGE: Meaning(Role.MEMBER, WRITE),
    Need.ENTER: Meaning(Role.MEMBER, WRITE, admins_too=False),
    Need.MANAGE: Meaning(Role.OWNER, MANAGE),
    Need.SELF: Meaning(Role.OWNER, MANAGE, admins_too=False),
    Need.ADMIN: Meaning(Role.ROLE_UNSPECIFIED, ADMIN),
}


def role_of(caller: Caller, owner: str) -> int:
    """Return what a person is to an owner: oneself, or a team."""
    if caller.kind != "user":
        return Role.ROLE_UNSPECIFIED
    return Role.OWNER if caller.name == owner else dict(caller.roles).get(owner, 0)


def may(caller: Caller, need: "Need.ValueType", owner: str, *, private: bool = True) -> bool:
    """Tell whether somebody may do what needs this, with a thing of this owner.

    A service may: whom it acts for it has to ask about itself. A runner may nothing here: its own
    session is checked by its attempt.
    """
    if caller.kind != "user":
        return caller.kind == "service"
    meaning = MEANINGS[need]
    if need == Need.ADMIN:
        return caller.admin
    if (meaning.public_too and not private) or (meaning.admins_too and caller.admin):
        return True
    return role_of(caller, owner) >= meaning.role


def sees_all(caller: Caller) -> bool:
    """Tell whether nothing is hidden from somebody."""
    return caller.kind == "service" or caller.admin


def circle(caller: Caller) -> list[str]:
    """Return all whose private things somebody may see by a role: oneself and one's teams."""
    return sorted({caller.name, *(team for team, _ in caller.roles)})


@dataclass(frozen=True)
class Rule:
    """Whom a method admits, and what it needs of people."""

    admitted: frozenset[int]
    need: "Need.ValueType"


SHUT = Rule(frozenset(), Need.NEED_UNSPECIFIED)
"""A method that nobody described admits nobody."""


def rules(services: Iterable[ServiceDescriptor]) -> dict[str, Rule]:
    """Return the rule of each method, by its full path."""
    return {
        f"/{service.full_name}/{method.name}": _rule(method)
        for service in services
        for method in service.methods
    }


def _rule(method: MethodDescriptor) -> Rule:
    options = method.GetOptions().Extensions
    admitted, need = frozenset(options[options_pb2.access]), options[options_pb2.needs]
    if not admitted:
        raise Refused(f"{method.full_name} does not say who may call it: add option (nsml.access).")
    if (Access.USER in admitted) != (need != Need.NEED_UNSPECIFIED):
        raise Refused(
            f"{method.full_name} does not say what people need to call it: add option (nsml.needs)."
        )
    return Rule(admitted, need)


def authorise(rule: Rule, method: str, caller: Caller) -> None:
    """Refuse a caller whom the method does not admit, whatever they ask about."""
    if Access.PUBLIC in rule.admitted:
        return
    if caller.kind == "nobody":
        raise Unauthenticated("This needs a token: start the platform with `nsml up`, or log in.")
    if KINDS[caller.kind] not in rule.admitted:
        raise NotPermitted(f"A {caller.kind} may not call {method}.")
    if caller.kind != "user":
        return
    if rule.need == Need.ADMIN and not caller.admin:
        raise NotPermitted(f"Only an admin may ask for {method.removeprefix('/nsml.')}.")
    _check_scope(MEANINGS[rule.need].scope, caller)


def _check_scope(scope: str, caller: Caller) -> None:
    if not caller.scopes or scope in caller.scopes or (scope == READ and WRITE in caller.scopes):
        return
    raise NotPermitted(
        f"This token is for {', '.join(sorted(caller.scopes))} only, and this needs {scope}: "
        "`nsml token create --scope` makes another."
    )
