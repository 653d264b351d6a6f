"""The log's server, simulated: one stream that takes an entry only after the one it names.

The log's client is the product's own; only its way to the server is simulated.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any, cast

from nsml_core.committer import Append, Committer, Conflict
from nsml_core.entry import Record, Recorded
from nsml_core.errors import Unavailable
from nsml_core.log import Log
from tests.simulation.chance import Chance
from tests.simulation.loop import PROCESS

_ANSWER_SECONDS = 10.0


class Stream:
    """What the server has on its disk."""

    def __init__(self) -> None:
        self.entries: list[Recorded] = []
        self.subjects: defaultdict[str, list[Recorded]] = defaultdict(list)
        self.followers: list[Callable[[Recorded], None]] = []

    def put(self, append: Append) -> int:
        """Take an entry; as on one server, the conflict comes before the doubled id is seen."""
        last = self.subjects[append.subject]
        if append.expected != (last[-1].sequence if last else 0):
            raise Conflict(append.subject)
        entry = Record(len(self.entries) + 1, append.subject, append.data).decode()
        self.entries.append(entry)
        last.append(entry)
        for follower in self.followers:
            follower(entry)
        return entry.sequence


class Way(Committer):
    """One process's connection to the server: what is sent on it arrives in order, or not at all.

    What a process had sent when it was killed arrives before its successor begins.
    """

    def __init__(self, stream: Stream, chance: Chance) -> None:
        self._stream = stream
        self._chance = chance
        self._process = PROCESS.get()
        self._process.when_killed = self._flush
        self._sent: deque[tuple[Append, asyncio.Future[int], str]] = deque()
        self._free = 0.0

    async def append(self, append: Append) -> int:
        if self._process.dead:
            raise asyncio.CancelledError
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[int] = loop.create_future()
        fate = self._chance.fate()
        if fate != "lost":
            self._sent.append((append, answer, fate))
            loop.call_later(self.trip(), self._arrive)
        deadline = loop.call_later(_ANSWER_SECONDS, _give_up, answer)
        try:
            return await answer
        finally:
            deadline.cancel()

    def trip(self) -> float:
        """Return after how many seconds what is sent now arrives."""
        now = asyncio.get_running_loop().time()
        late = self._chance.dice.random() < self._chance.odds.late
        trip = self._chance.long() if late else self._chance.trip()
        self._free = max(self._free, now + trip)
        return self._free - now

    def _flush(self) -> None:
        while self._sent:
            self._arrive()

    def _arrive(self) -> None:
        if not self._sent:
            return
        append, answer, fate = self._sent.popleft()
        try:
            sequence = self._stream.put(append)
            if fate == "twice":  # its batch failed, and it is sent once more, alone
                self._stream.put(append)
        except Conflict as conflict:
            if not answer.done():
                answer.set_exception(conflict)
            return
        if fate != "unanswered" and not answer.done():
            answer.set_result(sequence)


def _give_up(answer: "asyncio.Future[int]") -> None:
    if not answer.done():
        answer.set_exception(Unavailable("The log's server does not answer; try again."))


class SimulatedLog(Log):
    """The product's client of the log on the simulated server."""

    def __init__(self, stream: Stream, chance: Chance) -> None:
        self._way = Way(stream, chance)
        super().__init__(cast("Any", None), self._way)
        self.stream = stream
        self._chance = chance

    async def read(self, subject: str, after: int = 0) -> list[Record]:
        await self._trip()
        return [
            entry.record
            for entry in self.stream.subjects.get(subject, ())
            if entry.sequence > after
        ]

    async def last_sequence(self) -> int:
        await self._trip()
        return len(self.stream.entries)

    async def _last(self, subject: str) -> tuple[Record, Mapping[str, str]] | None:
        await self._trip()
        if subject.endswith(">"):
            stem = subject.removesuffix(">")
            found = [entry for entry in self.stream.entries if entry.subject.startswith(stem)]
        else:
            found = self.stream.subjects.get(subject, [])
        if not found:
            return None
        return found[-1].record, {"Nats-Msg-Id": found[-1].entry.id}

    async def _trip(self) -> None:
        await asyncio.sleep(self._way.trip())
        if self._chance.fate() == "lost":
            raise Unavailable("The log's server does not answer; try again.")
