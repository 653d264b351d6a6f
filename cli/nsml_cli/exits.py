"""Exit codes, and which error ends with which."""

from enum import IntEnum

from nsml_core import errors


class ExitCode(IntEnum):
    """How `nsml` ends; docs/cli.md explains each. `run -f` and `logs -f` end as the session did."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    NOT_FOUND = 3
    NOT_PERMITTED = 4
    NOT_RUNNING = 5
    BUG = 70
    TIMED_OUT = 124
    INTERRUPTED = 130
    OUTPUT_CLOSED = 141


def exit_code(error: errors.Error) -> ExitCode:
    """Return the code that a command ends with after this error."""
    match error:
        case errors.Invalid():
            return ExitCode.USAGE
        case errors.NotFound():
            return ExitCode.NOT_FOUND
        case errors.NotPermitted() | errors.Unauthenticated():
            return ExitCode.NOT_PERMITTED
        case errors.Unavailable():
            return ExitCode.NOT_RUNNING
        case _:
            return ExitCode.REFUSED
