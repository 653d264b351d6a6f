"""The ledger: no credit appears or vanishes, and charges are the time that the log says."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from nsml_core.entry import Recorded
from nsml_protos import ledger_pb2 as lg
from nsml_protos import session_pb2 as pb
from tests.faults.history import History, Violation
from tests.faults.rules_sessions import ENDINGS, lives

Attempt = tuple[str, int]


def _ledger_events(history: History) -> Iterator[tuple[str, Recorded, object]]:
    """Yield each event of a book with its owner."""
    for entry, event in history.events():
        if entry.subject.startswith("nsml.ledger."):
            yield entry.subject.removeprefix("nsml.ledger."), entry, event


def postings_balance(history: History) -> Iterator[Violation]:
    """Debits are credits after every entry, and nobody has less than nothing."""
    accounts: defaultdict[str, int] = defaultdict(int)
    for owner, entry, event in _ledger_events(history):
        postings = getattr(event, "postings", ())
        if sum(posting.amount for posting in postings):
            yield Violation("balance", owner, "its postings do not sum to zero", entry.sequence)
        for posting in postings:
            accounts[posting.account] += posting.amount
            is_owned = posting.account.endswith((":available", ":held"))
            if is_owned and accounts[posting.account] < 0:
                what = f"{posting.account} is {accounts[posting.account]}"
                yield Violation("balance", owner, what, entry.sequence)


def holds_are_closed_once(history: History) -> Iterator[Violation]:
    """What is set aside is charged or given back, once and to the last unit."""
    holds: dict[tuple[str, str, int], int] = {}
    for owner, entry, event in _ledger_events(history):
        if not isinstance(event, lg.Held | lg.Charged | lg.Refunded | lg.Released):
            continue
        place = (owner, event.session, event.attempt)
        where = f"{event.session}#{event.attempt}"
        if isinstance(event, lg.Held):
            holds[place] = holds.get(place, 0) + event.amount
        elif place not in holds:
            what = f"{type(event).__name__} of a hold that was not there, or was closed before"
            yield Violation("holds", where, what, entry.sequence)
        elif isinstance(event, lg.Charged):
            holds[place] -= event.amount
        elif isinstance(event, lg.Refunded):
            holds[place] += event.amount
        elif (rest := holds.pop(place)) != event.amount:
            what = f"{event.amount} was given back, and {rest} was left"
            yield Violation("holds", where, what, entry.sequence)
    for (_, session, attempt), rest in holds.items():
        yield Violation("holds", f"{session}#{attempt}", f"{rest} is held for good")


@dataclass
class _Run:
    """When an attempt ran."""

    started: datetime
    ended: datetime | None = None


def charges_are_the_intervals(history: History) -> Iterator[Violation]:
    """Charge = interval × rate, to the millisecond, but never more than was set aside."""
    runs = _runs(history)
    held: defaultdict[Attempt, int] = defaultdict(int)
    charged: defaultdict[Attempt, int] = defaultdict(int)
    rates: dict[Attempt, int] = {}
    for _, _, event in _ledger_events(history):
        if isinstance(event, lg.Held):
            held[event.session, event.attempt] += event.amount
            rates[event.session, event.attempt] = event.rate
        elif isinstance(event, lg.Charged):
            charged[event.session, event.attempt] += event.amount
        elif isinstance(event, lg.Refunded):
            charged[event.session, event.attempt] -= event.amount
    for attempt in {*runs, *charged}:
        due = min(_cost(runs.get(attempt), rates.get(attempt, 0)), held[attempt])
        if charged[attempt] != due:
            what = f"{charged[attempt]} was charged, and {due} was due"
            yield Violation("charges", f"{attempt[0]}#{attempt[1]}", what)


def _cost(run: _Run | None, rate: int) -> int:
    if run is None or run.ended is None:
        return 0
    milliseconds = max((run.ended - run.started) // timedelta(milliseconds=1), 0)
    return rate * milliseconds // 1_000


def _runs(history: History) -> dict[Attempt, _Run]:
    runs: dict[Attempt, _Run] = {}
    for name, life, entry, event in lives(history):
        place = (name, life.attempt)
        if isinstance(event, pb.Started):
            runs[place] = _Run(entry.time)
        elif isinstance(event, ENDINGS) and life.state == "running":
            runs[place].ended = _last_moment(entry, event)
    return runs


def _last_moment(entry: Recorded, event: object) -> datetime:
    """Who was lost is charged until it was heard last."""
    if isinstance(event, pb.Lost) and event.HasField("last_seen"):
        return event.last_seen.ToDatetime(UTC)
    return entry.time


def audit_finds_nothing(history: History) -> Iterator[Violation]:
    """The ledger's own recomputation agrees."""
    for found in history.audit:
        yield Violation("audit", "ledger", found)
