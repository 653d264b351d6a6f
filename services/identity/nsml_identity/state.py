"""What is true of a person or a team, and how each event changes it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import assert_never

from nsml_core.decider import Aggregate, stamp
from nsml_protos.identity_pb2 import (
    AdminSet,
    Disabled,
    Enabled,
    Erased,
    Member,
    MemberLeft,
    MemberSet,
    Registered,
    TeamFounded,
    Token,
    TokenIssued,
    TokenRevoked,
    User,
)

Event = (
    Registered
    | AdminSet
    | Disabled
    | Enabled
    | Erased
    | TeamFounded
    | MemberSet
    | MemberLeft
    | TokenIssued
    | TokenRevoked
)


def evolve(state: User, event: Event, time: datetime) -> None:
    """Apply one event."""
    match event:
        case Registered() | TeamFounded():
            state.name = event.name
            state.team = isinstance(event, TeamFounded)
            state.admin = isinstance(event, Registered) and event.admin
            stamp(state.registered, time)
        case AdminSet():
            state.admin = event.admin
        case Disabled():
            state.disabled = True
        case Enabled():
            state.disabled = False
        case Erased():
            state.erased = True
            state.admin = False
            del state.tokens[:]
        case MemberSet():
            _set_members(state, event.name, Member(name=event.name, role=event.role))
        case MemberLeft():
            _set_members(state, event.name)
        case TokenIssued():
            _keep_tokens(state, lambda token: not _is_over(token, time))
            state.tokens.add().CopyFrom(event.token)
        case TokenRevoked():
            _keep_tokens(state, lambda token: token.id != event.id)
        case _:
            assert_never(event)


def _set_members(state: User, name: str, *more: Member) -> None:
    kept = [member for member in state.members if member.name != name]
    del state.members[:]
    state.members.extend(sorted([*kept, *more], key=lambda member: member.name))


def _keep_tokens(state: User, keep: Callable[[Token], bool]) -> None:
    kept = [token for token in state.tokens if keep(token)]
    del state.tokens[:]
    state.tokens.extend(kept)


def _is_over(token: Token, time: datetime) -> bool:
    return token.HasField("expires") and token.expires.ToDatetime(UTC) <= time


USER = Aggregate("identity", User, Event, evolve)
