"""What is known of a run in which things were broken: the log, and what clients and code noted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from google.protobuf.message import Message

from nsml_core.entry import Record, Recorded
from nsml_protos.session_pb2 import Frame


class Kind(StrEnum):
    """What a client asked for; what makes one such command known again in the log."""

    RUN = "run"
    """By `Requested.request_key`; the reply is the session's name."""
    FORK = "fork"
    """As `RUN`; the target is the session forked from."""
    RESUME = "resume"
    """By `Resumed.request_key` of the target."""
    STOP = "stop"
    """By `StopRequested.reason` of the target; the reply is the reason that counts there."""
    MEMO = "memo"
    """By the words in `MemoChanged` of the target."""
    PUSH = "push"
    """By the message of the revision; the target is the dataset."""
    GRANT = "grant"
    """By `Granted.key`; the target is the owner."""
    FORGET = "forget"
    """By the request that led to `CheckpointRemoved` of the target."""


class Outcome(StrEnum):
    """What the client knows of its command in the end."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """No answer, however often it asked."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command, however often it was sent, as its client noted it."""

    client: str
    kind: Kind
    key: str
    """Chosen by the client, never used for another command of the kind."""

    target: str
    outcome: Outcome
    reply: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """What the user's code of one attempt noted, each after the call had returned."""

    session: str
    attempt: int
    lines: Sequence[str] = ()
    """What it printed, each with an end of line."""

    points: Sequence[tuple[float, float]] = ()
    """Steps and values of the series `value`."""

    saved: Sequence[str] = ()
    """Names of checkpoints that its runner took over."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a view beside the same one folded anew."""

    service: str
    name: str
    equal: bool


@dataclass(frozen=True, slots=True)
class History:
    """Everything that the checker looks at; gathered when nothing breaks and nothing runs."""

    entries: Sequence[Recorded]
    """The whole log, in order."""

    commands: Sequence[Command] = ()
    codes: Sequence[Code] = ()
    frames: Sequence[Frame] = ()
    """What runners told and the session service acknowledged, in the order of its tables."""

    archive: Sequence[Record] | None = None
    """The copies of all services; None: not looked at."""

    tables: Sequence[Table] = ()
    findings: Sequence[str] = ()
    """What `nsml admin log verify` found, one sentence each."""

    audit: Sequence[str] = ()
    """What the ledger's own recomputation of all charges found, one sentence each."""

    def events(self) -> Iterator[tuple[Recorded, Message]]:
        """Return every event with its entry, in order."""
        return ((entry, event) for entry in self.entries for event in entry.events)


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was not kept."""

    rule: str
    """Which promise: a word that tests and people find again."""

    where: str
    """The subject, session, command or table."""

    what: str
    """One sentence."""

    sequence: int = field(default=0, compare=False)
    """The entry that shows it, if one does."""

    def __str__(self) -> str:
        at = f" at entry {self.sequence}" if self.sequence else ""
        return f"{self.rule}: {self.where}{at}: {self.what}"
