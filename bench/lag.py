"""How far the views are behind the log: from an append's acknowledgement to its row's commit."""

import asyncio
import time
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import uvloop

from bench import million
from bench.figures import Figure, Goal, Row, quantile
from nsml_core import log
from nsml_core.committer import Append
from nsml_core.entry import Context, digest, encode
from nsml_core.log import Log
from nsml_core.settings import Settings
from nsml_protos.session_pb2 import MemoChanged

_VIEWS = ("session", "ledger", "scheduler")
_SESSIONS = 64
_RATE = 500
_SECONDS = 15
_SINGLE = 300
_SINGLE_SECONDS = 0.1
_LOOK_SECONDS = 0.001

Waits = dict[str, list[float]]
"""By view, what each entry took in seconds."""


def measure() -> Row:
    platform = million.platform()
    busy, idle, rate = uvloop.run(_measure(million.connection(platform)))
    return Row(
        [
            Figure("appends acknowledged meanwhile", rate, "events/s", Goal("≥", 0.98 * _RATE)),
            *_figures(f"at {_RATE} events/s", busy, Goal("≤", 250)),
            *_figures("idle", idle, Goal("≤", 20)),
        ],
        {
            f"{name} {what}": waits
            for what, found in (("busy", busy), ("idle", idle))
            for name, waits in found.items()
        },
    )


def _figures(what: str, found: Waits, goal: Goal) -> Iterator[Figure]:
    for name, waits in found.items():
        lag = f"lag of the {name}'s view {what}"
        yield Figure(f"{lag}, p50", 1000 * quantile(waits, 0.5), "ms")
        yield Figure(f"{lag}, p99", 1000 * quantile(waits, 0.99), "ms", goal)


@dataclass
class Watch:
    """Looks at the views' positions, and knows how long each entry took to be in each."""

    has_ended: bool = False
    acknowledged: dict[int, float] = field(default_factory=dict)
    waits: Waits = field(default_factory=lambda: {name: [] for name in _VIEWS})
    _owed: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in _VIEWS})

    def note(self, sequence: int) -> None:
        """An entry is acknowledged now."""
        self.acknowledged[sequence] = time.perf_counter()
        for owed in self._owed.values():
            owed.append(sequence)

    async def look(self, database: str) -> None:
        """Look until all that will be written is in every view."""
        connection = await asyncpg.connect(database)
        while not self.has_ended or any(self._owed.values()):
            rows = await connection.fetch("select view, sequence from nsml.position")
            now = time.perf_counter()
            for row in rows:
                self._see(row["view"], row["sequence"], now)
            await asyncio.sleep(_LOOK_SECONDS)
        await connection.close()

    def _see(self, view: str, position: int, now: float) -> None:
        owed = self._owed.get(view, [])
        for sequence in [one for one in owed if one <= position]:
            owed.remove(sequence)
            self.waits[view].append(now - self.acknowledged[sequence])


class Writer:
    """Changes the memos of sessions that have ended, which nobody reacts to."""

    def __init__(self, connected: Log, subjects: Sequence[str]) -> None:
        self._log = connected
        self._subjects = subjects
        self._last: dict[str, tuple[int, bytes]] = {}
        self._locks = {subject: asyncio.Lock() for subject in subjects}

    async def write(self, number: int, watch: Watch) -> None:
        """Append an entry to one of the subjects, as the session service does."""
        subject = self._subjects[number % len(self._subjects)]
        async with self._locks[subject]:
            expected, previous = self._last.get(subject) or await self._find(subject)
            context = Context(uuid4().hex, datetime.now(UTC), "user:bench")
            data = encode(context, previous, [MemoChanged(memo=f"number {number}")])
            append = Append(subject, data, expected, context.entry_id)
            sequence = await self._log.append(append)
            watch.note(sequence)
            self._last[subject] = (sequence, digest(data))

    async def _find(self, subject: str) -> tuple[int, bytes]:
        record = await self._log.last(subject)
        assert record is not None  # noqa: S101 - the view has it
        return record.sequence, digest(record.data)


async def _measure(settings: Settings) -> tuple[Waits, Waits, float]:
    async with log.connect(settings, "bench") as connected:
        writer = Writer(connected, await _subjects(settings.postgres_url))
        busy, idle = Watch(), Watch()
        rate = await _watched(busy, settings.postgres_url, _all_the_time(writer, busy))
        await _watched(idle, settings.postgres_url, _now_and_then(writer, idle))
    return busy.waits, idle.waits, rate


async def _watched(watch: Watch, database: str, writing: Coroutine[None, None, float]) -> float:
    looking = asyncio.create_task(watch.look(database))
    rate = await writing
    watch.has_ended = True
    await looking
    return rate


async def _subjects(database: str) -> list[str]:
    connection = await asyncpg.connect(database)
    rows = await connection.fetch(
        "select key from session.session where not live and not removed order by key limit $1",
        _SESSIONS,
    )
    await connection.close()
    return ["nsml.session." + row["key"].replace("/", ".") for row in rows]


async def _all_the_time(writer: Writer, watch: Watch) -> float:
    """Write so many entries a second, whether those before are acknowledged or not."""
    start = time.perf_counter()
    async with asyncio.TaskGroup() as writing:
        for number in range(_RATE * _SECONDS):
            writing.create_task(writer.write(number, watch))
            await asyncio.sleep(max(0.0, start + number / _RATE - time.perf_counter()))
    return _RATE * _SECONDS / (time.perf_counter() - start)


async def _now_and_then(writer: Writer, watch: Watch) -> float:
    start = time.perf_counter()
    for number in range(_SINGLE):
        await asyncio.sleep(_SINGLE_SECONDS)
        await writer.write(number, watch)
    return _SINGLE / (time.perf_counter() - start)
