"""What an owner is told of what happened to a session, in plain words."""

from datetime import UTC, datetime, timedelta

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from nsml_core.notify import News, one_line
from nsml_core.teller import Topic
from nsml_protos.session_pb2 import BecameZombie, Failed, Lost, Notified, Session, Stopped
from nsml_session import decide
from nsml_session.idle import Rules
from nsml_session.state import LIVE, SESSION

_WATCHED = timedelta(minutes=10)
"""Whoever starts a session looks at it for so long: that it fails then is no news."""

TOPIC = Topic(SESSION, (BecameZombie, Lost, Stopped, Failed), Notified, decide.notified)
"""What owners are told of, unless they know it already."""


def news(
    session: Session, event: Message, sequence: int, time: datetime, rules: Rules
) -> News | None:
    """Return what to tell of an event, given the session as it stood then; None for nothing."""
    match event:
        case BecameZombie():
            said = _zombie(session, event, rules)
        case Lost():
            said = _lost(session, event)
        case Stopped() if session.stop_actor.startswith("service:"):
            said = _stopped(session, event)
        case Failed() if _ran(session) >= _WATCHED:
            said = _failed(session, event)
        case _:
            return None
    subject, text, command = said
    about = event.DESCRIPTOR.name
    memo = f"\n\nIts memo: {one_line(session.memo)}" if session.memo else ""
    return News(
        id=f"{session.name}@{sequence}",
        about=about,
        owner=session.owner,
        time=time,
        subject=f"[NSML] {subject}",
        text=f"{subject}.\n\n{text}{memo}",
        command=command,
        facts={
            "session": session.name,
            "attempt": session.attempts[-1].number if session.attempts else 0,
            "sequence": sequence,
        },
    )


Said = tuple[str, str, str]
"""A subject, a text, and a command."""


def _zombie(session: Session, event: BecameZombie, rules: Rules) -> Said:
    text = f"It has done nothing since {_clock(event.since)}: {one_line(event.reason)}."
    if rules.stops:
        end = event.since.ToDatetime(UTC) + timedelta(
            seconds=rules.after_seconds + rules.grace_seconds
        )
        text += f"\nIt will be stopped at {_iso(end)} unless it works again."
    text += f"\n`nsml logs {session.name}` shows what it said last."
    return f"Session {session.name} does nothing", text, f"nsml stop {session.name}"


def _lost(session: Session, event: Lost) -> Said:
    text = f"{_sentence(event.reason)}; it was last heard at {_clock(event.last_seen)}."
    if session.status in LIVE:
        start = f"from checkpoint {session.start.name}" if session.HasField("start") else "anew"
        text += (
            f"\nIt goes on by itself, {start}: restart {session.restarts} of at most "
            f"{session.spec.restarts}."
        )
        subject = f"Session {session.name} was lost and goes on"
        return subject, text, f"nsml logs -f {session.name}"
    return f"Session {session.name} is lost", text, _resume(session)


def _stopped(session: Session, event: Stopped) -> Said:
    text = f"{_sentence(event.reason)}."
    return f"Session {session.name} was stopped", text, _resume(session)


def _failed(session: Session, event: Failed) -> Said:
    why = _sentence(event.outcome.message) or "It does not say why"
    return f"Session {session.name} failed", f"{why}.", f"nsml why {session.name}"


def _resume(session: Session) -> str:
    has_start = session.checkpoints or session.HasField("start")
    return f"nsml resume {session.name}{'' if has_start else ' --from-start'}"


def _ran(session: Session) -> timedelta:
    attempt = session.attempts[-1] if session.attempts else None
    if attempt is None or not attempt.HasField("started"):
        return timedelta()
    return attempt.ended.ToDatetime(UTC) - attempt.started.ToDatetime(UTC)


def _sentence(text: str) -> str:
    words = one_line(text).rstrip(".")
    return words[:1].upper() + words[1:]


def _clock(stamp: Timestamp) -> str:
    return _iso(stamp.ToDatetime(UTC))


def _iso(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC")
