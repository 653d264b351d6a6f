"""Histories made by hand, for the tests of the checker: one that is whole, to be broken."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from google.protobuf.message import Message

from nsml_core.entry import Context, Record, Recorded, digest, encode
from nsml_protos import dataset_pb2 as ds
from nsml_protos import ledger_pb2 as lg
from nsml_protos import session_pb2 as pb
from tests.faults.history import Code, Command, History, Kind, Outcome, Table

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NAME = "ann/mnist/1"
RUNNER = f"runner:{NAME}#1"
LINES = ("line 0", "line 1")
POINTS = ((0.0, 0.5), (1.0, 1.5))


@dataclass(frozen=True)
class Said:
    """An entry before it has a place in the log."""

    subject: str
    events: Sequence[Message]
    actor: str = "service:test"
    second: float = 0
    id: str = ""
    request: str = ""


def log(*said: Said) -> list[Recorded]:
    """Return these decisions as a log whose chains are whole."""
    last: dict[str, bytes] = {}
    entries = []
    for sequence, each in enumerate(said, 1):
        time = NOON + timedelta(seconds=each.second)
        context = Context(each.id or f"id{sequence}", time, each.actor, each.request)
        data = encode(context, last.get(each.subject, b""), each.events)
        last[each.subject] = digest(data)
        entries.append(Record(sequence, each.subject, data).decode())
    return entries


def session(*events: Message, name: str = NAME, actor: str = RUNNER, second: float = 0) -> Said:
    return Said(f"nsml.session.{name.replace('/', '.')}", events, actor, second)


def book(*events: Message, owner: str = "ann", second: float = 0) -> Said:
    return Said(f"nsml.ledger.{owner}", events, "service:ledger", second)


def transfer(source: str, target: str, amount: int) -> list[lg.Posting]:
    return [lg.Posting(account=source, amount=-amount), lg.Posting(account=target, amount=amount)]


def granted(amount: int = 100_000, key: str = "grant-1") -> lg.Granted:
    postings = transfer("grants", "ann:available", amount)
    return lg.Granted(owner="ann", amount=amount, key=key, postings=postings)


def held(amount: int = 60_000, attempt: int = 1) -> lg.Held:
    postings = transfer("ann:available", "ann:held", amount)
    return lg.Held(session=NAME, attempt=attempt, amount=amount, rate=1_000, postings=postings)


def charged(amount: int = 2_500, attempt: int = 1) -> lg.Charged:
    postings = transfer("ann:held", "spent", amount)
    return lg.Charged(session=NAME, attempt=attempt, amount=amount, rate=1_000, postings=postings)


def refunded(amount: int = 500, attempt: int = 1) -> lg.Refunded:
    postings = transfer("spent", "ann:held", amount)
    return lg.Refunded(session=NAME, attempt=attempt, amount=amount, rate=1_000, postings=postings)


def released(amount: int = 57_500, attempt: int = 1) -> lg.Released:
    postings = transfer("ann:held", "ann:available", amount)
    return lg.Released(session=NAME, attempt=attempt, amount=amount, postings=postings)


def requested(name: str = NAME, key: str = "run-1") -> pb.Requested:
    return pb.Requested(name=name, owner="ann", request_key=key)


def placed(attempt: int = 1, device: str = "0") -> pb.Placed:
    return pb.Placed(attempt=attempt, node="here", devices=[device])


def started(attempt: int = 1) -> pb.Started:
    return pb.Started(attempt=attempt)


def saved(name: str = "1") -> pb.CheckpointSaved:
    return pb.CheckpointSaved(checkpoint=pb.Checkpoint(name=name, attempt=1))


def completed(attempt: int = 1) -> pb.Completed:
    return pb.Completed(attempt=attempt, outcome=pb.Outcome(exit_code=0))


def story() -> list[Said]:
    """A session that runs, is paid for, and ends; its data, its memo and a second wish to stop."""
    return [
        Said("nsml.dataset.mnist", [ds.Pushed(revision=ds.Revision(number=1, message="push-1"))]),
        book(granted()),
        session(requested(), actor="user:ann"),
        book(held()),
        session(placed(), actor="service:scheduler"),
        session(started(), second=1),
        session(pb.MemoChanged(memo="memo-1"), actor="user:ann", second=2),
        session(saved(), second=2),
        session(pb.StopRequested(reason="stop-1", actor="user:ann"), actor="user:ann", second=3),
        session(completed(), second=3.5),
        book(charged(), released(), second=4),
        replace(session(pb.CheckpointRemoved(name="1"), second=5), request="forget-1"),
    ]


def commands() -> list[Command]:
    def done(kind: Kind, key: str, target: str, reply: str = "") -> Command:
        return Command("ann", kind, key, target, Outcome.ACKNOWLEDGED, reply)

    return [
        done(Kind.PUSH, "push-1", "mnist"),
        done(Kind.GRANT, "grant-1", "ann"),
        done(Kind.RUN, "run-1", "", NAME),
        done(Kind.MEMO, "memo-1", NAME),
        done(Kind.STOP, "stop-1", NAME, "stop-1"),
        done(Kind.STOP, "stop-2", NAME, "stop-1"),
        done(Kind.FORGET, "forget-1", NAME),
    ]


def frame(number: int, line: str, point: tuple[float, float], attempt: int = 1) -> pb.Frame:
    step, value = point
    return pb.Frame(
        ref=pb.AttemptRef(name=NAME, attempt=attempt),
        number=number,
        log=[pb.LogPiece(source=pb.STDOUT, data=f"{line}\n".encode())],
        points=pb.Points(
            series=["value"], series_index=[0], steps=[step], times_us=[1], values=[value]
        ),
    )


def whole() -> History:
    """A history in which every promise was kept."""
    entries = log(*story())
    return History(
        entries=entries,
        commands=commands(),
        codes=[Code(NAME, 1, LINES, POINTS, ("1",))],
        frames=[frame(1, LINES[0], POINTS[0]), frame(2, LINES[1], POINTS[1])],
        archive=[entry.record for entry in entries],
        tables=[Table("session", "session", equal=True)],
    )


def told(*said: Said) -> History:
    """The whole history, in whose log only this happened."""
    entries = log(*said)
    archive = [entry.record for entry in entries]
    return replace(whole(), entries=entries, archive=archive, commands=[], codes=[], frames=[])
