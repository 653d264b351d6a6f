"""When the attempts of sessions ran, read off the sessions' own events."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from nsml_ledger import rates
from nsml_protos.gangs import node_count
from nsml_protos.session_pb2 import (
    Completed,
    Failed,
    Lost,
    Preempted,
    Requested,
    Resources,
    Resumed,
    Started,
    Stopped,
)

Key = tuple[str, int]
"""A session's name and the number of an attempt."""

EVENTS = Requested | Resumed | Started | Completed | Failed | Stopped | Lost | Preempted
"""All that an audit reads of a session."""


@dataclass
class Run:
    """One attempt: it waits, runs, or has ended."""

    owner: str = ""
    gpus: int = 0
    started: Timestamp | None = None
    ended: Timestamp | None = None
    end_sequence: int = 0

    @property
    def milliseconds(self) -> int:
        """How long its code ran; 0 if it never did, or has not ended."""
        if self.started is None or self.ended is None:
            return 0
        return max(rates.milliseconds(self.started, self.ended), 0)

    def has_ended(self, sequence: int) -> bool:
        """Had it ended when this entry had happened?"""
        return 0 < self.end_sequence <= sequence


@dataclass
class Runs:
    """All attempts of all sessions."""

    attempts: dict[Key, Run] = field(default_factory=dict)
    _latest: dict[str, Run] = field(default_factory=dict)

    def see(self, session: str, sequence: int, time: datetime, events: Iterable[Message]) -> None:
        """Take in an entry of a session."""
        for event in events:
            match event:
                case Requested():
                    self._begin(session, 1, Run(event.owner, _gpus(event.spec.resources)))
                case Resumed():
                    run = Run(event.owner, _gpus(event.resources))
                    self._begin(session, event.attempt + 1, run)
                case Started():
                    self._run(session).started = rates.timestamp(time)
                case Completed() | Failed() | Stopped() | Lost() | Preempted():
                    run = self._run(session)
                    run.ended, run.end_sequence = rates.timestamp(time), sequence
                    if isinstance(event, Lost) and event.HasField("last_seen"):
                        run.ended = event.last_seen
                case _:
                    pass  # nothing that costs

    def _begin(self, session: str, attempt: int, run: Run) -> None:
        self._latest[session] = self.attempts[session, attempt] = run

    def _run(self, session: str) -> Run:
        return self._latest.setdefault(session, Run())


def _gpus(need: Resources) -> int:
    """Return how many GPUs a session has on all of its nodes."""
    return need.gpus * node_count(need)
