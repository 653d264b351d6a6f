"""The audit: every book and every charge recomputed from the log, and what differs, by name.

It shares with the decisions what an event means (state.py) and what time costs (rates.py), and
nothing else: when an attempt ran it reads off the session's own events (runs.py).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from nsml_ledger import rates
from nsml_ledger.accounts import Move, available, held, postings
from nsml_ledger.runs import Key, Run, Runs
from nsml_ledger.state import Event, evolve
from nsml_protos.ledger_pb2 import Book, Charged, Difference, Granted, Held, Refunded, Released

_LEDGER, _SESSION = "nsml.ledger.", "nsml.session."

Found = Iterator[tuple[str, str]]
"""What differs: the name of a book or an attempt, and a sentence."""


@dataclass
class Tally:
    """What a book did for one attempt."""

    owner: str
    rate: int
    held: int = 0
    charged: int = 0
    until: Timestamp | None = None
    is_open: bool = True


@dataclass
class Audit:
    """Sees every entry of the ledger and of the sessions, in the order of the log."""

    entries: int = 0
    books: dict[str, Book] = field(default_factory=dict)
    runs: Runs = field(default_factory=Runs)
    tallies: dict[Key, Tally] = field(default_factory=dict)
    _accounts: Counter[str] = field(default_factory=Counter)
    _total: int = 0
    _keys: set[tuple[str, str]] = field(default_factory=set)

    def see(
        self, sequence: int, subject: str, time: datetime, events: Iterable[Message]
    ) -> list[Difference]:
        """Take in one entry; return what is wrong with it."""
        self.entries += 1
        if subject.startswith(_SESSION):
            session = subject.removeprefix(_SESSION).replace(".", "/")
            self.runs.see(session, sequence, time, events)
            return []
        owner = subject.removeprefix(_LEDGER).replace(".", "/")
        found = self._booked(owner, time, events)
        return [Difference(name=name, sequence=sequence, what=what) for name, what in found]

    def _booked(self, owner: str, time: datetime, events: Iterable[Message]) -> Found:
        for event in events:
            if not isinstance(event, Event):
                yield owner, f"{event.DESCRIPTOR.name} is no event of a book"
                continue
            if isinstance(event, Move):
                yield from self._moved(owner, event)
            evolve(self.books.setdefault(owner, Book()), event, time)
        if self._total:
            yield owner, f"all accounts together hold {self._total} after it, not 0"
        for account in (available(owner), held(owner)):
            if self._accounts[account] < 0:
                yield owner, f"{account} is {self._accounts[account]} after it"

    def _moved(self, owner: str, event: Move) -> Found:
        for posting in event.postings:
            self._accounts[posting.account] += posting.amount
            self._total += posting.amount
        if event.amount < 0 or list(event.postings) != postings(owner, event):
            name = event.DESCRIPTOR.name
            yield owner, f"its postings are not those of {name} of {event.amount}"
        match event:
            case Granted():
                yield from self._granted(owner, event)
            case Held():
                yield from self._held(owner, event)
            case Charged() | Refunded() | Released():
                yield from self._taken(event)

    def _granted(self, owner: str, event: Granted) -> Found:
        if event.key and (owner, event.key) in self._keys:
            yield owner, f"it was granted twice by the key {event.key}"
        self._keys.add((owner, event.key))

    def _held(self, owner: str, event: Held) -> Found:
        key = (event.session, event.attempt)
        tally = self.tallies.get(key)
        if tally is None or (not tally.is_open and not tally.charged):
            tally = self.tallies[key] = Tally(owner, event.rate)
        if not tally.is_open:
            yield _name(key), "credit was held for it again after it was charged"
        if (tally.owner, tally.rate) != (owner, event.rate):
            yield _name(key), f"it was held for {owner} at the rate {event.rate}, unlike before"
        tally.is_open = True
        tally.held += event.amount

    def _taken(self, event: Charged | Refunded | Released) -> Found:
        key = (event.session, event.attempt)
        tally = self.tallies.get(key)
        if tally is None or not tally.is_open:
            yield _name(key), f"{event.DESCRIPTOR.name}, but no hold was open: each is closed once"
            return
        match event:
            case Released():
                tally.is_open = False
                if event.amount != tally.held - tally.charged:
                    left = tally.held - tally.charged
                    yield _name(key), f"{event.amount} was released, and {left} was left"
            case _:
                yield from self._charged(key, tally, event)

    def _charged(self, key: Key, tally: Tally, event: Charged | Refunded) -> Found:
        run = self.runs.attempts.get(key, Run())
        if run.started is None:
            yield _name(key), f"{event.DESCRIPTOR.name}, but its code never started"
            return
        is_back = isinstance(event, Refunded)
        begin, end = (event.ended, event.started) if is_back else (event.started, event.ended)
        if begin != (tally.until or run.started) or event.rate != tally.rate:
            yield _name(key), "its parts do not follow each other at one rate"
        cost = rates.cost(tally.rate, rates.milliseconds(run.started, end))
        due = min(cost, tally.held) - tally.charged
        amount = -event.amount if is_back else event.amount
        if amount != due:
            yield _name(key), f"{amount} was charged for a part, and {due} was due"
        tally.charged += amount
        tally.until = end

    def finish(self, sequence: int) -> list[Difference]:
        """Return what is wrong with attempts that had ended by this entry, and with their holds."""
        found = [
            Difference(name=_name(key), what=what)
            for key in {**self.runs.attempts, **self.tallies}
            for what in self._wrong(key, sequence)
        ]
        return sorted(found, key=lambda one: one.name)

    def unsettled(self, sequence: int) -> set[Key]:
        """Return the attempts that had ended by this entry, and whose holds are open."""
        return {
            key
            for key, tally in self.tallies.items()
            if tally.is_open and self.runs.attempts.get(key, Run()).has_ended(sequence)
        }

    def _wrong(self, key: Key, sequence: int) -> Iterator[str]:
        run, tally = self.runs.attempts.get(key), self.tallies.get(key)
        if run is None:
            yield "credit was held for it, and the log knows no such attempt"
        elif tally is None:
            if run.gpus and run.milliseconds:
                yield f"it ran for {run.milliseconds} ms, and no credit was held for it"
        else:
            yield from _unlike(run, tally, sequence)


def _unlike(run: Run, tally: Tally, sequence: int) -> Iterator[str]:
    """Hold an attempt's interval against what its book did for it."""
    if run.owner != tally.owner:
        yield f"it is {run.owner}'s, and {tally.owner}'s credit was held for it"
    if run.gpus and tally.rate != run.gpus * rates.GPU_RATE:
        yield f"its rate is {tally.rate}, and {run.gpus} GPUs cost {run.gpus * rates.GPU_RATE}"
    if tally.is_open and run.has_ended(sequence):
        yield "it has ended, and its hold was not closed"
    if not tally.is_open and run.end_sequence == 0 and run.started is not None:
        yield "its hold was closed while it ran"
    due = min(rates.cost(tally.rate, run.milliseconds), tally.held)
    if not tally.is_open and tally.charged != due:
        yield f"{tally.charged} was charged, and its {run.milliseconds} ms cost {due}"


def unlike_views(books: Mapping[str, Book], states: Mapping[str, bytes]) -> list[Difference]:
    """Hold the books that are shown against those that follow from the log."""
    return [
        Difference(name=owner, what="the view's book is not what follows from the log")
        for owner in sorted({*books, *states})
        if books.get(owner, Book()) != Book.FromString(states.get(owner, b""))
    ]


def _name(key: Key) -> str:
    return f"{key[0]}#{key[1]}"
