"""The errors that reach people and callers: one tree, and its gRPC status codes.

    Error                      one sentence that says what to do next
    ├── Invalid                INVALID_ARGUMENT      the request makes no sense
    ├── NotFound               NOT_FOUND             it is not there, or the caller may not know
    ├── AlreadyExists          ALREADY_EXISTS
    ├── Refused                FAILED_PRECONDITION   it makes sense, but not in this state
    ├── Exhausted              RESOURCE_EXHAUSTED    a limit, a quota, a disk or a credit is used up
    │   └── Throttled                                too much in too short a time
    ├── Superseded             ABORTED               an older attempt spoke: the fence
    ├── NotPermitted           PERMISSION_DENIED
    ├── Unauthenticated        UNAUTHENTICATED       no token, or one that is no good
    ├── Damaged                DATA_LOSS             content does not match its hash or its chain
    └── Unavailable            UNAVAILABLE           try again later

This module imports nothing, so that pure code and the command line can use it;
`nsml_core.status` knows gRPC.
"""


class Error(Exception):
    """An error with one sentence for people; never raised itself."""

    code = "UNKNOWN"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Invalid(Error):
    """The request makes no sense."""

    code = "INVALID_ARGUMENT"


class NotFound(Error):
    """There is no such thing, or the caller may not know of it."""

    code = "NOT_FOUND"


class AlreadyExists(Error):
    """The name is taken."""

    code = "ALREADY_EXISTS"


class Refused(Error):
    """The request makes sense, but not now or not in this state."""

    code = "FAILED_PRECONDITION"


class Exhausted(Error):
    """A limit, a quota, a disk or a credit is used up."""

    code = "RESOURCE_EXHAUSTED"


class Throttled(Exhausted):
    """Too much was asked in too short a time."""

    def __init__(self, sentence: str, seconds: float) -> None:
        """Say after how many seconds it is worth to ask again."""
        super().__init__(sentence)
        self.seconds = seconds


class Superseded(Error):
    """An older attempt spoke for a session that has a newer one."""

    code = "ABORTED"


class NotPermitted(Error):
    """The caller is known, and may not do this."""

    code = "PERMISSION_DENIED"


class Unauthenticated(Error):
    """The caller is not known."""

    code = "UNAUTHENTICATED"


class Damaged(Error):
    """Content does not match its hash or its chain."""

    code = "DATA_LOSS"


class Unavailable(Error):
    """A part of the platform does not answer."""

    code = "UNAVAILABLE"


BY_CODE: dict[str, type[Error]] = {
    kind.code: kind
    for kind in (
        Invalid, NotFound, AlreadyExists, Refused, Exhausted,
        Superseded, NotPermitted, Unauthenticated, Damaged, Unavailable,
    )
}  # fmt: skip
