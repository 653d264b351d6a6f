"""Who is speaking: a token is a signed statement (JWT, HS256) of who its bearer is."""

import os
import secrets
import time
from functools import lru_cache
from pathlib import Path

import jwt

from nsml_core.authority import KINDS
from nsml_core.caller import Caller
from nsml_core.errors import Unauthenticated

_ALGORITHM = "HS256"


def make_secret(file: Path) -> bytes:
    """Return the signing key; made on first use, for its owner alone."""
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(secrets.token_bytes(32))
        try:
            os.link(temporary, file)  # fails if somebody was faster: theirs is as good
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return file.read_bytes()


def issue(secret: bytes, caller: Caller, *, lifetime_seconds: int | None = None) -> str:
    """Return a token that says its bearer is this caller."""
    now = int(time.time())
    claims: dict[str, object] = {"sub": caller.name, "kind": caller.kind, "iat": now}
    if caller.attempt:
        claims["attempt"] = caller.attempt
    if caller.rank:
        claims["rank"] = caller.rank
    if caller.admin:
        claims["admin"] = True
    if caller.token:
        claims["jti"] = caller.token
    if caller.scopes:
        claims["scopes"] = sorted(caller.scopes)
    if lifetime_seconds is not None:
        claims["exp"] = now + lifetime_seconds
    return jwt.encode(claims, secret, algorithm=_ALGORITHM)


def verify(secret: bytes, token: str) -> Caller:
    """Return the caller that a token names."""
    caller, expires = _read(secret, token)
    if expires is not None and expires <= time.time():
        raise Unauthenticated("Your token has expired: log in again.")
    return caller


@lru_cache(maxsize=10_000)
def _read(secret: bytes, token: str) -> tuple[Caller, float | None]:
    """Return what a token says, and when it expires; the same one comes with call after call."""
    try:
        # When it was issued is by another process's clock, which may be ahead of ours.
        claims = jwt.decode(token, secret, algorithms=[_ALGORITHM], options={"verify_iat": False})
    except jwt.ExpiredSignatureError:
        raise Unauthenticated("Your token has expired: log in again.") from None
    except jwt.InvalidTokenError:
        raise Unauthenticated("This token is not good here: log in again.") from None
    if claims.get("kind") not in KINDS:
        raise Unauthenticated("This token is of an unknown kind: log in again.")
    caller = Caller(
        str(claims["kind"]),
        str(claims.get("sub", "")),
        int(claims.get("attempt", 0)),
        bool(claims.get("admin", False)),
        str(claims.get("jti", "")),
        frozenset(map(str, claims.get("scopes", ()))),
        rank=int(claims.get("rank", 0)),
    )
    return caller, claims.get("exp")
