"""Who asks what of every RPC, and what they are to get: the table that docs/authorisation.md says.

Everybody asks about a private thing of one team, or makes one for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from nsml_core import auth
from nsml_core.authority import SCOPES
from nsml_core.caller import Caller
from nsml_protos import (
    blobs_pb2,
    board_pb2,
    care_pb2,
    dataset_pb2,
    identity_pb2,
    ledger_pb2,
    options_pb2,
    scheduler_pb2,
    session_pb2,
)
from nsml_protos.options_pb2 import Access, Need
from tests.faults import asked, asked_boards, asked_identity, asked_scheduler
from tests.services.acting import MIA, SAM, VIC
from tests.services.world import ANN, ROOT, SCHEDULER

FILES = {
    identity_pb2: "identity",
    dataset_pb2: "dataset",
    blobs_pb2: "dataset",
    board_pb2: "dataset",
    ledger_pb2: "ledger",
    session_pb2: "session",
    scheduler_pb2: "scheduler",
    care_pb2: "session",
}
SERVICES = [one for file in FILES for one in file.DESCRIPTOR.services_by_name.values()]
HOMES = {
    f"{service.name}/{method.name}": (home, method)
    for file, home in FILES.items()
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
FILES_ASKED = (asked, asked_boards, asked_identity, asked_scheduler)
EXAMPLES = {one.method: one for file in FILES_ASKED for one in file.EXAMPLES}

ANSWERED, DENIED, MISSING, UNKNOWN = "answered", "denied", "missing", "unknown"

PEOPLE = {"stranger": SAM, "viewer": VIC, "member": MIA, "owner": ANN, "admin": ROOT}

TABLE: dict[int, tuple[str, str, str, str, str]] = {
    # need:     stranger, viewer, member, owner, admin
    Need.LOOK: (ANSWERED, ANSWERED, ANSWERED, ANSWERED, ANSWERED),
    Need.SEE: (MISSING, ANSWERED, ANSWERED, ANSWERED, ANSWERED),
    Need.MAKE: (MISSING, DENIED, ANSWERED, ANSWERED, MISSING),
    Need.CHANGE: (MISSING, DENIED, ANSWERED, ANSWERED, ANSWERED),
    Need.ENTER: (MISSING, DENIED, ANSWERED, ANSWERED, DENIED),
    Need.MANAGE: (MISSING, DENIED, DENIED, ANSWERED, ANSWERED),
    Need.SELF: (ANSWERED, ANSWERED, ANSWERED, ANSWERED, ANSWERED),
    Need.ADMIN: (DENIED, DENIED, DENIED, DENIED, ANSWERED),
}
"""What a person gets who asks about a private thing of a team, or makes one for it."""

HIDES = {"Sessions/List", "Sessions/Usage", "Datasets/List", "Boards/List"}
"""They leave out what one may not see, instead of refusing."""

SAYS_WHOSE = {"Ledger/Balance", "Ledger/Statement", "Scheduler/GetQuota"}
"""Everybody has a book and a quota: there is nothing to hide but what is in them."""

FOR_ITSELF = {"Attempts/Link"}
"""What a runner says there is its own session's, whatever it names."""

UNSIGNED = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4iLCJraW5kIjoidXNlciJ9."

SCOPED = {
    Need.LOOK: {"read", "write"},
    Need.SEE: {"read", "write"},
    Need.MAKE: {"write"},
    Need.CHANGE: {"write"},
    Need.ENTER: {"write"},
    Need.MANAGE: {"manage"},
    Need.SELF: {"manage"},
    Need.ADMIN: {"admin"},
}
"""The scopes of which a narrowed token needs one."""


@dataclass(frozen=True)
class Try:
    """Somebody who asks, and what they are to get."""

    who: str
    caller: Caller | None
    expected: str
    token: str = ""
    acts: bool = False


def access(name: str) -> tuple[set[int], "Need.ValueType"]:
    options = HOMES[name][1].GetOptions().Extensions
    return set(options[options_pb2.access]), options[options_pb2.needs]


def tries(name: str, asking: Any, secret: bytes) -> Iterator[Try]:
    """Everybody who may ask, those first who are refused: they leave what is asked about alone."""
    found = [*_people(name), *_narrowed(name), *_others(name, asking), *_impostors(secret)]
    yield from sorted(found, key=lambda one: one.expected == ANSWERED)


def _people(name: str) -> Iterator[Try]:
    admitted, need = access(name)
    for (who, caller), expected in zip(PEOPLE.items(), TABLE.get(need, [DENIED] * 5), strict=True):
        if Access.PUBLIC in admitted or (name in HIDES and expected == MISSING):
            expected = ANSWERED  # noqa: PLW2901
        if name in SAYS_WHOSE and expected == MISSING:
            expected = DENIED  # noqa: PLW2901
        yield Try(who, caller, expected, acts=need == Need.MAKE)


def _narrowed(name: str) -> Iterator[Try]:
    admitted, need = access(name)
    for scope in SCOPES:
        caller = replace(ROOT if need == Need.ADMIN else ANN, scopes=frozenset({scope}))
        admits = Access.PUBLIC in admitted or scope in SCOPED.get(need, set())
        expected = ANSWERED if admits else DENIED
        yield Try(f"only {scope}", caller, expected, acts=need == Need.MAKE)


def _others(name: str, asking: Any) -> Iterator[Try]:
    admitted, _ = access(name)
    is_open = Access.PUBLIC in admitted
    yield Try("nobody", None, ANSWERED if is_open else UNKNOWN)
    for who, caller, kind in (
        ("service", SCHEDULER, Access.SERVICE),
        ("runner", runner_of(asking), Access.RUNNER),
        ("another's runner", Caller("runner", "sam/None/9", 1), Access.RUNNER),
    ):
        expected = ANSWERED if is_open or kind in admitted else DENIED
        is_bound = not is_open and not name.startswith("Blobs/") and name not in FOR_ITSELF
        if who == "another's runner" and is_bound:
            expected = DENIED
        yield Try(who, caller, expected)


def _impostors(secret: bytes) -> Iterator[Try]:
    expired = auth.issue(secret, ANN, lifetime_seconds=-1)
    forged = auth.issue(bytes(32), ROOT)
    yield Try("expired", None, UNKNOWN, expired)
    yield Try("forged", None, UNKNOWN, forged)
    yield Try("nonsense", None, UNKNOWN, "nonsense")
    yield Try(
        "unsigned", None, UNKNOWN, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4iLCJraW5kIjoidXNlciJ9."
    )


def runner_of(asking: Any) -> Caller:
    """The runner of the session that is asked about; of one of the team's else."""
    one = asking[0] if isinstance(asking, list) else asking
    one = getattr(one, "to", one)
    ref = getattr(one, "ref", one)
    session = ref.name if isinstance(ref, session_pb2.AttemptRef) else "crew/None/1"
    return Caller("runner", session, 1)
