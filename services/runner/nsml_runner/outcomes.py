"""Says how user code ended: for programs, and in one sentence for people."""

import signal

from nsml_protos import session_pb2
from nsml_runner.supervise import Cause, Ending

MESSAGE_MAX = 500
_GIGABYTE = 1 << 30
_MEGABYTE = 1 << 20


def outcome(
    ending: Ending, resources: session_pb2.Resources, last_line: str, disk_bytes: int = 0
) -> session_pb2.Outcome:
    """`last_line` is the last one on stderr: of a traceback it is the one that tells most."""
    result = session_pb2.Outcome(
        out_of_memory=ending.cause is Cause.OUT_OF_MEMORY,
        time_limit=ending.cause is Cause.TIME_LIMIT,
        message=_message(ending, resources, last_line, disk_bytes),
    )
    if ending.code < 0:
        result.signal = -ending.code
    else:
        result.exit_code = ending.code
    return result


def hidden(ending: Ending, resources: session_pb2.Resources, raised: str) -> session_pb2.Outcome:
    """Return how code ended of which nothing else may be seen."""
    message = ""
    match ending.cause:
        case Cause.OUT_OF_MEMORY:
            message = "out of memory"
        case Cause.OUT_OF_DISK:
            message = "out of disk"
        case Cause.TIME_LIMIT | Cause.SHUTDOWN:
            message = _message(ending, resources, "", 0)
        case Cause.STOP_ORDER:
            pass
        case Cause.ITSELF:
            said = f"{raised}; " if raised else ""
            message = f"{said}its message is withheld: `nsml submit -t` shows it of the small split"
    return session_pb2.Outcome(
        exit_code=1,
        out_of_memory=ending.cause is Cause.OUT_OF_MEMORY,
        time_limit=ending.cause is Cause.TIME_LIMIT,
        message=message,
    )


def never_ran(message: str) -> session_pb2.Outcome:
    return session_pb2.Outcome(message=_short(message))


def _message(
    ending: Ending, resources: session_pb2.Resources, last_line: str, disk_bytes: int
) -> str:
    match ending.cause:
        case Cause.OUT_OF_MEMORY:
            return f"out of memory: used {amounts(ending.used_bytes, resources.memory_bytes)}"
        case Cause.OUT_OF_DISK:
            return f"out of disk: wrote {amounts(ending.used_bytes, disk_bytes)}"
        case Cause.TIME_LIMIT:
            return f"the time limit of {resources.time_limit_seconds} s was reached"
        case Cause.SHUTDOWN:
            return "the platform was shut down on this node"
        case Cause.STOP_ORDER | Cause.ITSELF:
            return _short(_how(ending.code, last_line))


def _how(code: int, last_line: str) -> str:
    if code == 0:
        return ""
    if code > 0:
        return last_line or f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        return f"killed by signal {-code}"
    return f"killed by signal {-code} ({name})"


def amounts(used: int, limit: int) -> str:
    unit, size = ("GB", _GIGABYTE) if limit >= _GIGABYTE else ("MB", _MEGABYTE)
    return f"{used / size:.1f} of {limit / size:.1f} {unit}"


def _short(text: str) -> str:
    return text if len(text) <= MESSAGE_MAX else f"{text[: MESSAGE_MAX - 1]}…"
