"""Who is speaking.

Whether they may call this method: the one authorisation point of the platform.

A token is a signed statement (JWT, HS256) of who its bearer is. Which kinds of bearer a method
admits is an option on the method itself (protos/nsml_protos/options.proto), so that the table of
who may do what is the contract.
"""

import os
import secrets
import time
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import jwt
from google.protobuf.descriptor import ServiceDescriptor

from nsml_core.caller import Caller
from nsml_core.errors import NotPermitted, Refused, Unauthenticated
from nsml_protos import options_pb2
from nsml_protos.options_pb2 import Access

_ALGORITHM = "HS256"
_KINDS = {"user": Access.USER, "service": Access.SERVICE, "runner": Access.RUNNER}


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
    if caller.admin:
        claims["admin"] = True
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
    if claims.get("kind") not in _KINDS:
        raise Unauthenticated("This token is of an unknown kind: log in again.")
    caller = Caller(
        str(claims["kind"]),
        str(claims.get("sub", "")),
        int(claims.get("attempt", 0)),
        bool(claims.get("admin", False)),
    )
    return caller, claims.get("exp")


def access_table(services: Iterable[ServiceDescriptor]) -> dict[str, frozenset[int]]:
    """Return, for each method's full path, the kinds of caller that it admits."""
    table: dict[str, frozenset[int]] = {}
    for service in services:
        for method in service.methods:
            admitted = frozenset(method.GetOptions().Extensions[options_pb2.access])
            if not admitted:
                raise Refused(
                    f"{method.full_name} does not say who may call it: add option (nsml.access)."
                )
            table[f"/{service.full_name}/{method.name}"] = admitted
    return table


def authorise(table: dict[str, frozenset[int]], method: str, caller: Caller) -> None:
    """Refuse a caller whom the method does not admit.

    A method that nobody described admits nobody.
    """
    admitted = table.get(method, frozenset())
    if Access.PUBLIC in admitted:
        return
    if caller.kind == "nobody":
        raise Unauthenticated("This needs a token: start the platform with `nsml up`, or log in.")
    if _KINDS[caller.kind] not in admitted:
        raise NotPermitted(f"A {caller.kind} may not call {method}.")
