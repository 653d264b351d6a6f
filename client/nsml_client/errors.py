"""What a client raises: the tree of `nsml_core.errors`, and what only a client can say.

Error                      one sentence that says what to do next: `error.sentence`
├── Invalid, NotFound, AlreadyExists, Refused, Exhausted, NotPermitted, Unauthenticated, Damaged
├── Rejected               the platform will not take a session into its queue
├── Broken                 a service failed in a way that it did not foresee
└── Unavailable            try again later
└── Lost               the connection broke: was the call carried out, or not?
"""

from collections.abc import Iterator, Mapping
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
    Throttled,
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
    "StandsBy",
    "Throttled",
    "Unauthenticated",
    "Unavailable",
    "error_of",
    "rejecting",
]


_NOTHING: Mapping[str, str] = {}


class Rejected(Error):
    """The platform will not take this session into its queue."""

    code = "RESOURCE_EXHAUSTED"


class Broken(Error):
    """A service failed in a way that it did not foresee."""

    code = "INTERNAL"


class Lost(Unavailable):
    """The connection broke during a call: nobody knows whether the call was carried out."""


class StandsBy(Lost):
    """This replica does not serve; another does, or will in a moment."""


def error_of(code: str, sentence: str, headers: Mapping[str, str] = _NOTHING) -> Error:
    """Return the error that a call ended with, by the name of gRPC's status code."""
    if "x-nsml-standby" in headers:
        return StandsBy(sentence)
    if headers.get("x-nsml-retry-ms", "").isdecimal():
        return Throttled(sentence, int(headers["x-nsml-retry-ms"]) / 1000)
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
