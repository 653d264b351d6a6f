"""What operators see of sessions: how they change status, and how long they stay in each."""

from collections.abc import Iterable
from datetime import UTC, datetime

from nsml_core.entry import Recorded
from nsml_core.telemetry import Counter, Histogram
from nsml_protos.session_pb2 import Requested, Session, Status
from nsml_session.state import LIVE, SESSION

FRAMES = Counter("nsml.session.frames", "{frame}", "Frames of output and metrics from runners.")
_TRANSITIONS = Counter("nsml.session.transitions", "{session}", "Sessions that came into a status.")
_STATUS_SECONDS = Histogram(
    "nsml.session.status.duration",
    "s",
    "How long sessions stayed in a status.",
    (0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 1_000_000),
)


class Transitions:
    """Follows live sessions from status to status."""

    def __init__(self, live: Iterable[Session]) -> None:
        self._sessions = {session.name: session for session in live}

    async def seen(self, entries: list[Recorded]) -> None:
        """Count what happened."""
        for entry in entries:
            key = SESSION.key(entry.subject)
            before = self._sessions.get(key, Session())
            if not before.status and not isinstance(entry.events[0], Requested):
                continue  # it has ended: nothing of what comes now changes its status
            after = SESSION.fold(before, ((event, entry.time) for event in entry.events))
            if after.status != before.status:
                _count(before, after, entry.time)
            if after.status in LIVE:
                self._sessions[key] = after
            else:
                self._sessions.pop(key, None)


def _count(before: Session, after: Session, time: datetime) -> None:
    _TRANSITIONS.add(1, _status(after))
    if before.status:
        seconds = (time - _since(before)).total_seconds()
        _STATUS_SECONDS.record(max(0.0, seconds), _status(before))


def _status(session: Session) -> dict[str, str]:
    return {"nsml.session.status": Status.Name(session.status).lower()}


def _since(session: Session) -> datetime:
    """Return when a live session came into its status."""
    if not session.attempts or session.status == Status.QUEUED:
        return session.created.ToDatetime(UTC)
    attempt = session.attempts[-1]
    began = attempt.started if session.status == Status.RUNNING else attempt.placed
    return began.ToDatetime(UTC)
