"""What may be asked of accounts and their tokens, and what then happens: pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from google.protobuf.message import Message

from nsml_core.authority import SCOPES
from nsml_core.decider import stamp
from nsml_core.errors import AlreadyExists, Exhausted, Invalid, NotFound, NotPermitted, Refused
from nsml_identity.decide import check_name
from nsml_protos.identity_pb2 import (
    AdminSet,
    Disabled,
    Enabled,
    Erased,
    Token,
    TokenIssued,
    TokenRevoked,
    User,
)

_TOKENS_MAX = 100
_DAYS_MAX = 3650


def check_may_enter(state: User) -> None:
    """Refuse a name that nobody speaks as."""
    if not state.name or state.team or state.erased or state.disabled:
        raise NotPermitted("That name and password do not go together here.")


def new_token(
    token: str, time: datetime, lifetime: timedelta, *, name: str = "", scopes: Sequence[str] = ()
) -> Token:
    """Return what is known of a token that is about to be issued."""
    made = Token(id=token, name=name, scopes=sorted(set(scopes)))
    stamp(made.issued, time)
    stamp(made.expires, time + lifetime)
    return made


def check_personal(name: str, scopes: Sequence[str], days: int) -> None:
    """Refuse a token for scripts that nobody could use."""
    check_name(name, "a token's")
    if unknown := set(scopes) - set(SCOPES):
        raise Invalid(f"There is no scope {min(unknown)!r}: there are {', '.join(SCOPES)}.")
    if days > _DAYS_MAX:
        raise Invalid(f"A token is good for {_DAYS_MAX} days at most.")


def check_no_wider(own: frozenset[str], name: str, scopes: Sequence[str]) -> None:
    """Refuse a token that may more than the one with which it is asked for."""
    if own and (not name or not scopes or not set(scopes) <= own):
        raise NotPermitted(
            f"This token is for {', '.join(sorted(own))} only: it makes no token that may more."
        )


def issue(state: User, token: Token, instead: str = "") -> list[Message]:
    """Note that a token was issued, in place of another."""
    check_may_enter(state)
    if any(one.id == token.id for one in state.tokens):
        return []  # asked again: the first answer may have been lost
    if token.name and any(one.name == token.name for one in state.tokens):
        raise AlreadyExists(f"You have a token {token.name} already: revoke it, or name another.")
    if sum(bool(one.name) for one in state.tokens) >= _TOKENS_MAX and token.name:
        raise Exhausted(f"You have {_TOKENS_MAX} tokens: revoke one first.")
    gone = [_revoked(one) for one in state.tokens if one.id == instead]
    return [*gone, TokenIssued(token=token)]


def revoke(state: User, token: str) -> list[Message]:
    """Make a token void, by its name or id; one that is not there is void already."""
    return [_revoked(one) for one in state.tokens if token in {one.id, one.name} and token]


def enter(state: User, token: Token, *, instead: str, end_others: bool) -> list[Message]:
    """Log somebody in; with a new password every other login is void."""
    issued = issue(state, token, instead)
    others = [one for one in state.tokens if not one.name and one.id != instead]
    return [*map(_revoked, others if issued and end_others else ()), *issued]


def change(state: User, *, admin: bool | None, disabled: bool | None, reason: str) -> list[Message]:
    """Let somebody in or not, and be an admin or not."""
    _check_person(state)
    events: list[Message] = []
    if admin is not None and admin != state.admin:
        events.append(AdminSet(admin=admin))
    if disabled is not None and disabled != state.disabled:
        events.append(Disabled(reason=reason) if disabled else Enabled())
    return events


def erase(state: User) -> list[Message]:
    """End an account for good."""
    if state.erased:
        return []
    _check_person(state)
    return [Erased()]


def check_not_self(name: str, caller: str) -> None:
    """Somebody has to remain who can let people in."""
    if name == caller:
        raise Refused("This is your own account: ask another admin to do that.")


def _check_person(state: User) -> None:
    if not state.name or state.team or state.erased:
        raise NotFound("There is no such user here: `nsml user ls` shows who is.")


def _revoked(token: Token) -> TokenRevoked:
    gone = TokenRevoked(id=token.id)
    if token.HasField("expires"):
        gone.expires.CopyFrom(token.expires)
    return gone
