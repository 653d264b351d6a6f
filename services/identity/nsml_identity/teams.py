"""What may be asked of teams, and what then happens: pure."""

from google.protobuf.message import Message

from nsml_core.errors import AlreadyExists, NotFound, Refused
from nsml_identity.decide import check_name
from nsml_protos.identity_pb2 import MemberLeft, MemberSet, Role, TeamFounded, User


def found(state: User, *, name: str, owner: str) -> list[Message]:
    """Make a team with its first owner; the same again is nothing new."""
    check_name(name, "a team's")
    if state.team and role_in(state, owner) == Role.OWNER:
        return []
    if state.name:
        raise AlreadyExists(f"The name {name} is taken: choose another.")
    return [TeamFounded(name=name), MemberSet(name=owner, role=Role.OWNER)]


def set_member(state: User, *, name: str, role: "Role.ValueType") -> list[Message]:
    """Give somebody a role; somebody has to remain who can give roles."""
    if role_in(state, name) == role:
        return []
    if role != Role.OWNER:
        _check_not_last(state, name)
    return [MemberSet(name=name, role=role)]


def remove_member(state: User, *, name: str) -> list[Message]:
    """Let somebody go; who is no member is gone already."""
    if not role_in(state, name):
        return []
    _check_not_last(state, name)
    return [MemberLeft(name=name)]


def role_in(state: User, name: str) -> "Role.ValueType":
    return next((one.role for one in state.members if one.name == name), Role.ROLE_UNSPECIFIED)


def unknown(name: str) -> NotFound:
    """Return the error for a team that is not there, or that the caller may not know of."""
    return NotFound(f"There is no team {name} that you belong to: `nsml teams` shows yours.")


def _check_not_last(state: User, name: str) -> None:
    owners = [one.name for one in state.members if one.role == Role.OWNER]
    if owners == [name]:
        raise Refused(
            f"{name} is the only owner of {state.name}: make another one first with "
            f"`nsml team role {state.name} NAME owner`."
        )
