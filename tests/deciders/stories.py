"""A ledger and some sessions, told step by step: what is decided, what the log then holds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from nsml_core.errors import Error
from nsml_ledger import decide, rates
from nsml_ledger.audit import Audit
from nsml_ledger.state import BOOK, METER
from nsml_protos.ledger_pb2 import Book, Difference, Meter
from nsml_protos.session_pb2 import (
    Completed,
    Lost,
    Placed,
    Requested,
    Resources,
    Resumed,
    Spec,
    Started,
    Stopped,
)
from tests.deciders.given import NOON, Decision

POLICY = decide.Policy(charge_seconds=60, low=100_000)


@dataclass
class Story:
    """One owner's book and sessions; the ledger's clock may differ from that of the sessions."""

    gpus: Sequence[int] = (1, 3, 8)
    now: datetime = NOON
    drift: timedelta = timedelta()
    book: Book = field(default_factory=Book)
    meters: dict[str, Meter] = field(default_factory=dict)
    ended: list[Meter] = field(default_factory=list)
    log: list[tuple[str, datetime, list[Message]]] = field(default_factory=list)

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def drifts(self, seconds: float) -> None:
        self.drift = timedelta(seconds=seconds)

    def decided(self, decision: Decision[Book]) -> None:
        try:
            events = list(decision(self.book))
        except Error:
            return  # a refusal changes nothing
        if events:
            at = self.now + self.drift
            self.book = BOOK.fold(self.book, [(event, at) for event in events])
            self.log.append(("nsml.ledger.ann", at, events))

    def happened(self, name: str, *events: Message) -> None:
        self.log.append((f"nsml.session.{name.replace('/', '.')}", self.now, list(events)))
        for event in events:
            if isinstance(event, METER.events):
                before = self.meters.get(name, Meter())
                self.meters[name] = METER.fold(before, [(event, self.now)])
                if self.meters[name].HasField("ended"):
                    self.ended.append(self.meters[name])

    def name(self, number: int) -> str:
        return f"ann/None/{number % len(self.gpus)}"

    def _resources(self, number: int) -> Resources:
        return Resources(gpus=self.gpus[number % len(self.gpus)], cpus=1)

    def asks(self, number: int) -> None:
        """Ask for a session, or for another attempt if it has ended."""
        name, need = self.name(number), self._resources(number)
        meter = self.meters.get(name)
        if meter is None:
            self.happened(name, Requested(name=name, owner="ann", spec=Spec(resources=need)))
        elif meter.HasField("ended"):
            self.happened(
                name, Resumed(name=name, owner="ann", attempt=meter.attempt, resources=need)
            )

    def holds(self, number: int) -> None:
        """Set credit aside for one that waits; asked again, nothing happens."""
        meter = self.meters.get(self.name(number))
        if meter is None or meter.HasField("ended"):
            return
        rate = rates.rate(self._resources(number).gpus, 1, 0)
        self.decided(
            lambda state: decide.place_hold(
                state,
                owner="ann",
                session=meter.session,
                attempt=meter.attempt,
                rate=rate,
                low=POLICY.low,
            )
        )

    def starts(self, number: int) -> None:
        meter = self.meters.get(self.name(number))
        held = {(hold.session, hold.attempt) for hold in self.book.holds}
        if meter is None or meter.HasField("started") or meter.HasField("ended"):
            return
        if (meter.session, meter.attempt) in held:
            self.happened(meter.session, Placed(attempt=meter.attempt))
            self.passes(0.5)
            self.happened(meter.session, Started(attempt=meter.attempt))

    def ends(self, number: int) -> None:
        self._ends(number, Completed())

    def stops(self, number: int) -> None:
        self._ends(number, Stopped())

    def loses(self, number: int, heard: float) -> None:
        """Lose one whose runner was heard so many seconds ago; it may ask again at once."""
        last_seen = Timestamp()
        last_seen.FromDatetime(self.now - timedelta(seconds=heard))
        self._ends(number, Lost(last_seen=last_seen), again=heard > 50)

    def _ends(self, number: int, event: Message, *, again: bool = False) -> None:
        name = self.name(number)
        meter = self.meters.get(name)
        if meter is None or meter.HasField("ended"):
            return
        more = [Resumed(name=name, owner="ann", attempt=meter.attempt)] if again else []
        if more:
            more[0].resources.CopyFrom(self._resources(number))
        self.happened(name, event, *more)

    def looks(self) -> None:
        """Let the ledger look after what runs, by its own clock."""
        running = [meter for meter in self.meters.values() if meter.HasField("started")]
        running = [meter for meter in running if not meter.HasField("ended")]
        at = self.now + self.drift
        self.decided(lambda state: decide.look_after(state, running, at, POLICY))

    def settles(self) -> None:
        """Settle all that has ended so far, each time anew."""
        for meter in self.ended:
            self.decided(lambda state, meter=meter: decide.settle(state, meter))  # type: ignore[misc]

    def grants(self, amount: int, key: str = "") -> None:
        self.decided(
            lambda state: decide.grant(state, owner="ann", amount=amount, reason="", key=key)
        )

    def audit(self) -> list[Difference]:
        """Return what an audit of the whole log finds."""
        audit = Audit()
        found: list[Difference] = []
        for sequence, (subject, time, events) in enumerate(self.log, 1):
            found += audit.see(sequence, subject, time, events)
        return found + audit.finish(len(self.log))
