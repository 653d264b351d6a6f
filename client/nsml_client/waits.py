"""The times that a session spent in the queue, and why, read off its events."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from nsml_protos import session_pb2

_BEGIN = {"Requested", "Resumed"}
_END = {"Placed", "Completed", "Failed", "Stopped", "Lost", "Preempted"}


@dataclass(frozen=True)
class Wait:
    """A time in the queue, for one reason."""

    reason: str
    since: Timestamp
    until: Timestamp | None
    said: dict[str, Any]
    """What the scheduler saw when it said so: position, queue_length, holders, estimate."""

    @property
    def seconds(self) -> float:
        end = self.until.ToDatetime(UTC) if self.until else datetime.now(UTC)
        return (end - self.since.ToDatetime(UTC)).total_seconds()


def waits(history: list[session_pb2.HistoryLine]) -> list[Wait]:
    """Return the waits of a session, oldest first; the last one may go on."""
    found: list[Wait] = []
    said: dict[str, Any] = {}
    since: Timestamp | None = None
    for line in history:
        if line.event not in _BEGIN | _END | {"Waiting"}:
            continue
        if since is not None:
            found.append(_wait(said, since, line.time))
        since = None if line.event in _END else line.time
        said = json.loads(line.detail) if line.event == "Waiting" else {}
    if since is not None:
        found.append(_wait(said, since, None))
    return found


def placed(history: list[session_pb2.HistoryLine]) -> str:
    """Return what decided for its nodes beside room, when it last found some."""
    details = [line.detail for line in history if line.event == "Placed"]
    return str(json.loads(details[-1]).get("because", "")) if details else ""


def _wait(said: dict[str, Any], since: Timestamp, until: Timestamp | None) -> Wait:
    return Wait(said.get("reason") or "for the scheduler to look at it", since, until, said)
