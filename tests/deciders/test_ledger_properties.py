"""Whatever is asked, in whatever order and however often: no credit appears or vanishes."""

from collections.abc import Callable

from google.protobuf.message import Message
from hypothesis import given as for_all
from hypothesis import strategies as st

from nsml_core.errors import Error
from nsml_ledger import rates
from nsml_ledger.state import BOOK
from nsml_protos.ledger_pb2 import Book, Charged, Held, Refunded
from tests.deciders import books
from tests.deciders.books import GPU
from tests.deciders.given import NOON, Decision
from tests.deciders.stories import Story

SESSIONS = st.sampled_from(["s", "t", "u"])
ATTEMPTS = st.integers(1, 2)
AMOUNTS = st.integers(-5, 10**9)
SECONDS = st.floats(-10, 10**4)
COMMANDS = st.one_of(
    st.builds(books.grant, AMOUNTS, st.sampled_from(["", "a", "b"])),
    st.builds(books.open_book, st.integers(0, 10**6)),
    st.builds(
        books.place,
        session=SESSIONS,
        attempt=ATTEMPTS,
        rate=st.sampled_from([0, 1, 7, GPU, 8 * GPU]),
        low=st.integers(0, 10**6),
    ),
    st.builds(books.extend, session=SESSIONS, attempt=ATTEMPTS),
    st.builds(books.charge, SECONDS, session=SESSIONS, attempt=ATTEMPTS),
    st.builds(books.look, SECONDS, st.builds(books.runs, SESSIONS, ATTEMPTS)),
    st.builds(books.cancel, session=SESSIONS, attempt=ATTEMPTS),
    st.builds(books.settle, st.builds(books.ran, SECONDS, SESSIONS, st.integers(0, 2))),
)


@for_all(st.lists(COMMANDS, max_size=40))
def test_credits_neither_appear_nor_vanish(commands: list[Decision[Book]]) -> None:
    state = Book()
    accounts: dict[str, int] = {}
    for command in commands:
        for event in events_of(command, state):
            for posting in getattr(event, "postings", ()):
                accounts[posting.account] = accounts.get(posting.account, 0) + posting.amount
            state = BOOK.fold(state, [(event, NOON)])
            assert sum(accounts.values()) == 0
            assert min(state.available, state.held, state.spent) >= 0
            assert state.available + state.held + state.spent == state.granted
            assert state.held == sum(hold.amount for hold in state.holds)
            assert all(hold.amount >= 0 and hold.charged >= 0 for hold in state.holds)
        assert state.available == accounts.get("ann:available", 0)
        assert state.held == accounts.get("ann:held", 0)
        assert state.spent == accounts.get("spent", 0)
        assert state.granted == -accounts.get("grants", 0)


def events_of(command: Decision[Book], state: Book) -> list[Message]:
    try:
        return list(command(state))
    except Error:
        return []  # a refusal changes nothing


Step = Callable[[Story], None]
NUMBERS = st.integers(0, 2)


def step(name: str, *arguments: st.SearchStrategy[object]) -> st.SearchStrategy[Step]:
    return st.tuples(*arguments).map(lambda given: lambda told: getattr(told, name)(*given))


STEPS = st.one_of(
    step("passes", st.floats(0, 700)),
    step("passes", st.floats(0, 0.01)),
    step("drifts", st.floats(-300, 300)),
    step("asks", NUMBERS),
    step("holds", NUMBERS),
    step("starts", NUMBERS),
    step("looks"),
    step("looks"),
    step("ends", NUMBERS),
    step("stops", NUMBERS),
    step("loses", NUMBERS, st.floats(-1, 100)),
    step("settles"),
    step("grants", st.integers(1, 2_000_000), st.sampled_from(["", "k"])),
)


@for_all(st.lists(STEPS, max_size=40))
def test_an_attempt_is_charged_its_interval_and_the_audit_agrees(steps: list[Step]) -> None:
    told = Story()
    told.grants(1_000_000)
    for number in (0, 1):
        told.asks(number)
        told.holds(number)
        told.starts(number)
    for each in steps:
        each(told)
    told.settles()

    assert told.audit() == []
    held, charged = sums(told)
    for meter in told.ended:
        key = (meter.session, meter.attempt)
        cost = 0
        if meter.HasField("started"):
            gpus = told.gpus[int(meter.session[-1])]
            cost = rates.cost(gpus * GPU, rates.milliseconds(meter.started, meter.ended))
        assert charged.get(key, 0) == min(cost, held.get(key, 0))
    ended = {(meter.session, meter.attempt) for meter in told.ended}
    assert not ended & {(hold.session, hold.attempt) for hold in told.book.holds}


def sums(told: Story) -> tuple[dict[tuple[str, int], int], dict[tuple[str, int], int]]:
    """Return what was held for each attempt, and what it was charged less what was refunded."""
    held: dict[tuple[str, int], int] = {}
    charged: dict[tuple[str, int], int] = {}
    for event in (event for _, _, events in told.log for event in events):
        match event:
            case Held():
                key = (event.session, event.attempt)
                held[key] = held.get(key, 0) + event.amount
            case Charged() | Refunded():
                key = (event.session, event.attempt)
                sign = 1 if isinstance(event, Charged) else -1
                charged[key] = charged.get(key, 0) + sign * event.amount
            case _:
                pass
    return held, charged
