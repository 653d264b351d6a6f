"""What a client raises: the tree of `nsml_core.errors`, and what only a client can say.

Error                      one sentence that says what to do next: `error.sentence`
├── Invalid, NotFound, AlreadyExists, Refused, Exhausted, NotPermitted, Unauthenticated, Damaged
├── Rejected               the platform will not take a session into its queue
├── Broken                 a service failed in a way that it did not foresee
└── Unavailable            try again later
└── Lost               the connection broke: was the call carried out, or not?
"""

from collections.abc import Iterator
from contextlib import contextmanager

from nsml_core.errors import (
    BY_CODE,
    AlreadyExists,
    Damaged,
    Error,
    Exhausted,
    Invalid,
    NotFound,
    NotPermitted,
    Refused,
    Unauthenticated,
    Unavailable,
)

__all__ = [
    "AlreadyExists",
    "Broken",
    "Damaged",
    "Error",
    "Exhausted",
    "Invalid",
    "Lost",
    "NotFound",
    "NotPermitted",
    "Refused",
    "Rejected",
    "Unauthenticated",
    "Unavailable",
    "error_of",
    "rejecting",
]


class Rejected(Error):
    """The platform will not take this session into its queue."""

    code = "RESOURCE_EXHAUSTED"


class Broken(Error):
    """A service failed in a way that it did not foresee."""

    code = "INTERNAL"


class Lost(Unavailable):
    """The connection broke during a call: nobody knows whether the call was carried out."""


def error_of(code: str, sentence: str) -> Error:
    """Return the error that a call ended with, by the name of gRPC's status code."""
    if code == "DEADLINE_EXCEEDED":
        return Unavailable("There was no answer in time: try again.")
    return BY_CODE.get(code, Broken)(sentence or code)


@contextmanager
def rejecting() -> Iterator[None]:
    """Raise `Rejected` where the platform will not take a session into its queue."""
    try:
        yield
    except (Exhausted, Invalid, Refused) as error:
        raise Rejected(error.sentence) from error
