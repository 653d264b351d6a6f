"""Tells people, once, what happened to what is theirs, and notes in the log that it did."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from nsml_core.caller import Caller
from nsml_core.calls import reaction
from nsml_core.decider import Aggregate
from nsml_core.entry import Record, Recorded
from nsml_core.floor import Floor
from nsml_core.notifier import GIVE_UP_SECONDS, Notifier
from nsml_core.notify import News
from nsml_core.store import Store
from nsml_core.tables import EventTable, Row
from nsml_core.tasks import Tasks

S = TypeVar("S", bound=Message)

Say = Callable[[Recorded, Message], Awaitable[News | None]]
"""Puts an event into words; None if there is nobody to tell, or nothing."""


@dataclass(frozen=True)
class Topic(Generic[S]):
    """What people are told of one kind of aggregate."""

    aggregate: Aggregate[S]
    told: tuple[type[Message], ...]
    """The events that they may be told of."""

    notified: type[Any]
    """The event that notes it, with what it was `about` and by which `channels` it was told."""

    note: Callable[[S, str, str], Sequence[Message]]
    """The decision to note that people were told of an event by a channel."""

    def table(self) -> EventTable:
        """Return the view's table of what people may be told of, and of what they were told."""
        return EventTable(
            "news",
            {
                "sequence": "bigint",
                "name": "text",
                "about": "text",
                "channel": "text",
                "time": "timestamptz",
            },
            "sequence, about, channel",
            self._rows,
            indexes=("name, sequence", "time"),
            kinds=frozenset({*self.told, self.notified}),
        )

    def _rows(self, entry: Recorded) -> Iterable[Row]:
        if not entry.subject.startswith(f"nsml.{self.aggregate.service}."):
            return
        name = self.aggregate.key(entry.subject)
        for event in entry.events:
            if isinstance(event, self.told):
                yield (entry.sequence, name, event.DESCRIPTOR.name, "", entry.time)
            elif isinstance(event, self.notified):
                for channel in event.channels:
                    yield (entry.sequence, name, event.about, channel, entry.time)


class Teller(Generic[S]):
    """Follows the log for what people want to know."""

    def __init__(
        self, topic: Topic[S], store: Store[S], floor: Floor, notifier: Notifier, say: Say
    ) -> None:
        """Tell what happens for as long as this replica leads."""
        floor.lead.after(self.seen)
        floor.lead.owes(self.resume)
        self._lead = floor.lead
        self._view = floor.view
        self._topic = topic
        self._store = store
        self._notifier = notifier
        self._say = say
        self._me = Caller("service", topic.aggregate.service)
        self._tasks = Tasks()

    async def resume(self, end: int) -> None:
        """Tell what was not told of the entries up to one, unless it is old by now."""
        since = datetime.now(UTC) - timedelta(seconds=GIVE_UP_SECONDS)
        for entry, about, channel in await self._owed(since, end):
            event = next(one for one in entry.events if one.DESCRIPTOR.name == about)
            self._tasks.start(partial(self._look_at, entry, event, [channel]))

    async def _owed(self, since: datetime, end: int) -> list[tuple[Recorded, str, str]]:
        """Return the entries whose news a channel has not told, with that channel."""
        schema = self._view.schema.service
        rows = await self._view.pool.fetch(
            f"select n.sequence, a.subject, a.data, n.about, c.channel from {schema}.news n "  # noqa: S608 - a schema
            f"join {schema}.archive a using (sequence), unnest($1::text[]) as c(channel) "
            "where n.channel = '' and n.time > $2 and n.sequence <= $3 "
            f"and not exists (select from {schema}.news t where t.name = n.name "
            "and t.about = n.about and t.channel = c.channel and t.sequence > n.sequence) "
            "order by n.sequence",
            self._notifier.names,
            since,
            end,
        )
        records = [Record(row["sequence"], row["subject"], row["data"]) for row in rows]
        return [
            (record.decode(), row["about"], row["channel"])
            for record, row in zip(records, rows, strict=True)
        ]

    async def seen(self, entries: list[Recorded]) -> None:
        """Learn of what happened."""
        for entry in entries:
            for event in entry.events:
                if isinstance(event, self._topic.told) and self._notifier.names:
                    self._tasks.start(partial(self._look_at, entry, event, self._notifier.names))

    async def _look_at(self, entry: Recorded, event: Message, channels: Sequence[str]) -> None:
        news = await self._say(entry, event)
        if news is not None:
            for channel in channels:
                self._tasks.start(partial(self._tell, channel, news, entry))

    async def _tell(self, channel: str, news: News, entry: Recorded) -> None:
        # To note it is a task of its own: when that is tried again, nobody is told again.
        if await self._notifier.tell(channel, news, lambda: self._lead.is_here):
            self._tasks.start(partial(self._note, channel, news.about, entry))

    async def _note(self, channel: str, about: str, entry: Recorded) -> None:
        key = self._topic.aggregate.key(entry.subject)
        with reaction("note news", self._me, entry.message) as call:
            await self._store.decide(
                key, call.context(), lambda state: self._topic.note(state, about, channel)
            )

    async def close(self) -> None:
        """Let what was begun come to its end; what does not is owed at the next start."""
        self._notifier.close()
        await self._tasks.close()
