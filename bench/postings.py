"""Durable ledger postings by 64 writers over 1,000 books, decided as the ledger decides."""

import asyncio
import random
import time

import uvloop

from bench import million
from bench.figures import Figure, Goal, Row, median
from bench.home import stopped
from nsml_core import log
from nsml_core.caller import Caller
from nsml_core.calls import Call
from nsml_core.log import Log
from nsml_core.settings import Settings
from nsml_core.store import Store
from nsml_ledger import decide
from nsml_ledger.state import BOOK
from nsml_local import embedded
from nsml_protos.ledger_pb2 import Book

_WRITERS = 64
_BOOKS = 1000
_SECONDS = 3.0
_ROUNDS = 5
_CREDIT = 10**12
_RATE = 1000
_POSTINGS = 2  # a hold, and its release: out of one account, into another
_ME = Caller("service", "ledger")


def measure() -> Row:
    with stopped() as platform:
        embedded.up(platform.home, lambda _: None, services=())
        rates = uvloop.run(_rounds(million.connection(platform)))
    postings = [_POSTINGS * rate for rate in rates]
    return Row(
        [
            Figure("postings, 64 writers, 1,000 books", median(postings), "/s", Goal("≥", 5000)),
            Figure("decisions, each an entry on disk", median(rates), "/s"),
        ],
        {"postings": postings},
    )


async def _rounds(settings: Settings) -> list[float]:
    async with log.connect(settings, "bench") as connected:
        books = Store(connected, BOOK)
        await asyncio.gather(*(_open(books, f"owner{number}") for number in range(_BOOKS)))
        rates = [await _rate(books) for _ in range(_ROUNDS)]
        await _check(connected)
    return rates


async def _open(books: Store[Book], owner: str) -> None:
    context = Call(_ME).context()
    await books.decide(
        owner, context, lambda state: decide.open_book(state, owner=owner, amount=_CREDIT)
    )


async def _rate(books: Store[Book]) -> float:
    """Return how many decisions a second all writers together reach."""
    start = time.perf_counter()
    until = start + _SECONDS

    async def writer(number: int) -> int:
        dice, decided = random.Random(number), 0  # noqa: S311 - to be repeated
        while time.perf_counter() < until:
            await _hold_and_release(books, f"owner{dice.randrange(_BOOKS)}", f"{number}-{decided}")
            decided += 2
        return decided

    decided = await asyncio.gather(*(writer(number) for number in range(_WRITERS)))
    return sum(decided) / (time.perf_counter() - start)


async def _hold_and_release(books: Store[Book], owner: str, session: str) -> None:
    await books.decide(
        owner,
        Call(_ME).context(),
        lambda state: decide.place_hold(state, owner=owner, session=session, attempt=1, rate=_RATE),
    )
    await books.decide(
        owner,
        Call(_ME).context(),
        lambda state: decide.cancel(state, owner=owner, session=session, attempt=1),
    )


async def _check(connected: Log) -> None:
    """Fold all books from the log: no credit has appeared or vanished, and none is set aside."""
    again = Store(connected, BOOK)
    for number in range(_BOOKS):
        book = await again.get(f"owner{number}")
        if (book.available, book.held, len(book.holds)) != (_CREDIT, 0, 0):
            raise RuntimeError(f"the book of owner{number} does not add up")
