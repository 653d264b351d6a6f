"""The simulator as a process of its own: started, its progress shown, its figures read."""

import json
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from importlib.util import find_spec
from typing import IO, Any

from nsml_cli.text import clean
from nsml_core import errors

_ABSENT = "The planner is not installed beside nsml: type `pip install nsml-scheduler`."
_PROGRAM = "nsml_scheduler.simulate"
_KINDS = {"Invalid": errors.Invalid, "NotFound": errors.NotFound}
_GRACE_SECONDS = 5.0


def replay(words: Sequence[str]) -> dict[str, Any]:
    """Run the simulator to its end, and return what it found."""
    if find_spec("nsml_scheduler") is None:
        raise errors.Refused(_ABSENT)
    process = subprocess.Popen(
        [sys.executable, "-m", _PROGRAM, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # Ctrl-C is for us, who stop it
    )
    try:
        with process:
            said = _watch(process.stderr)
            found = process.stdout.read() if process.stdout else ""
    finally:
        _end(process)
    if not found:
        raise errors.Refused(f"The simulator ended without a result: {said}")
    return _result(json.loads(found))


def _result(found: dict[str, Any]) -> dict[str, Any]:
    if "error" in found:
        raise _KINDS.get(found["kind"], errors.Refused)(found["error"])
    return found


def _end(process: "subprocess.Popen[str]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue


def _watch(told: IO[str] | None) -> str:
    """Show how far it is, where somebody looks on; return the last that was no progress."""
    last: deque[str] = deque(["it said nothing"], maxlen=1)
    is_watched = sys.stderr.isatty()
    for line in told or ():
        try:
            at = json.loads(line)
        except json.JSONDecodeError:
            last.append(line.strip())
            continue
        if is_watched:
            text = f"{at['policy']}: {100 * at['done'] // at['of']} % of {at['of']} jobs"
            sys.stderr.write(f"\r\x1b[K{clean(text)}")
            sys.stderr.flush()
    if is_watched:
        sys.stderr.write("\r\x1b[K")
    return last[0]
