"""Following the log.

Batches of entries in order, from a position on, for as long as one cares to read.

The position belongs to the reader; the consumer on the server is forgotten and made anew whenever
it is in doubt.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from nsml_core.connection import Connection
from nsml_core.entry import Record
from nsml_core.errors import Error
from nsml_core.jetstream import api, publish

_BATCH = 4000
_MANY = 1000
"""From here on all entries are read and the others left out here.

The server takes 7 µs for an entry of any subject, 50 µs for one it has to look for, and 200 µs if
it looks for two kinds; what is rare it finds at once.
"""

_HEARTBEAT_SECONDS = 2
_EXPIRES_SECONDS = 30
# A word about the request is "NATS/1.0 <status> …"; an entry's headers begin on the next line.
_STATUS = slice(9, 12)
# $JS.ACK.<stream>.<consumer>.<deliveries>.<stream sequence>.<consumer sequence>.<time>.<pending>
_SEQUENCE_TOKEN = 5


class _Restart(Exception):
    """The consumer is in doubt: make a new one from the position."""


class Follower:
    """Reads the entries of some subjects, each ending in `>`, in order and without gaps."""

    def __init__(
        self, client: Connection, stream: str, subjects: Sequence[str], *, rare: bool = False
    ) -> None:
        """Follow; entries that are rare in the log are looked for, however many there are."""
        self._client = client
        self._stream = stream
        self._subjects = list(subjects)
        self._rare = rare

    async def batches(self, after: int) -> AsyncGenerator[list[Record], None]:
        """Yield what is newer than `after`, as much at a time as has arrived; never ends."""
        while True:
            try:
                async with self._consumer(after) as reader:
                    while True:
                        batch = await reader.next()
                        after = batch[-1].sequence
                        yield batch
            except (_Restart, NatsError, Error):
                await asyncio.sleep(0.1)

    @asynccontextmanager
    async def _consumer(self, after: int) -> AsyncIterator["_Reader"]:
        reader = _Reader(self._client, self._stream, await self._made(after), self._subjects)
        subscription = await self._client.subscribe(reader.inbox, cb=_nothing)
        try:
            with self._client.handing(subscription, reader.receive):
                await reader.ask()
                yield reader
        finally:
            await subscription.unsubscribe()

    async def _made(self, after: int) -> str:
        """Make a consumer that looks for our subjects, or hands out all, and return its name."""
        if len(self._subjects) == 1:
            made = await self._make(after, self._subjects)
            if self._rare or made["num_pending"] <= _MANY:
                return str(made["name"])
            await api(self._client, f"CONSUMER.DELETE.{self._stream}.{made['name']}")
        return str((await self._make(after, []))["name"])

    async def _make(self, after: int, subjects: Sequence[str]) -> dict[str, Any]:
        return await api(self._client, f"CONSUMER.CREATE.{self._stream}", {
            "stream_name": self._stream,
            "config": {
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": after + 1,
                "ack_policy": "none",
                "replay_policy": "instant",
                "filter_subjects": subjects,
                "inactive_threshold": 60 * 1_000_000_000,
                "mem_storage": True,
                "num_replicas": 1,
            },
        })  # fmt: skip


async def until(
    client: Connection, stream: str, subjects: Sequence[str], after: int, end: int
) -> AsyncGenerator[Sequence[Record], None]:
    """Yield what is newer than `after`, up to an entry of these subjects."""
    follower = Follower(client, stream, subjects)
    async with contextlib.aclosing(follower.batches(after)) as batches:
        async for batch in batches:
            yield [record for record in batch if record.sequence <= end]
            if batch[-1].sequence >= end:
                return


async def _nothing(_: Msg) -> None:
    """The reader takes each message before the library would call this."""


class _Reader:
    """One consumer: asks for more before it runs dry, and hands out what is there."""

    def __init__(
        self, client: Connection, stream: str, consumer: str, subjects: Sequence[str]
    ) -> None:
        self.inbox = client.new_inbox()
        self._client = client
        self._ours = tuple(subject.removesuffix(">") for subject in subjects)
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._records: list[Record] = []
        self._arrived = asyncio.Event()
        self._asked = 0
        self._delivered = 0
        self._broken = False

    async def ask(self) -> None:
        """Ask the server for the next batch; it answers as entries come."""
        self._asked += _BATCH
        request = {
            "batch": _BATCH,
            "expires": _EXPIRES_SECONDS * 1_000_000_000,
            "idle_heartbeat": _HEARTBEAT_SECONDS * 1_000_000_000,
        }
        await publish(self._client, self._next, json.dumps(request).encode(), reply=self.inbox)

    def receive(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        """Take one message from the server: an entry, or a word about the request."""
        if headers and headers[_STATUS.start - 1 : _STATUS.start] == b" ":
            self._told(headers[_STATUS])
        else:
            self._take(subject, reply, data)
        self._arrived.set()

    def _take(self, subject: bytes, reply: bytes, data: bytes) -> None:
        tokens = reply.split(b".")
        delivered = int(tokens[_SEQUENCE_TOKEN + 1])
        # What comes after a gap is not handed out: the next consumer delivers it in its place.
        self._broken = self._broken or delivered != self._delivered + 1
        if self._broken:
            return
        self._delivered = delivered
        name = subject.decode()
        if name.startswith(self._ours):
            self._records.append(Record(int(tokens[_SEQUENCE_TOKEN]), name, data))

    def _told(self, status: bytes) -> None:
        if status == b"100":  # a heartbeat
            return
        if status in {b"408", b"404"}:  # the request has run out, some of it unused: ask again
            self._asked = self._delivered
        else:
            self._broken = True

    async def next(self) -> list[Record]:
        """Wait for entries and return all that have arrived."""
        while not self._records:
            if self._broken:
                raise _Restart
            if self._asked - self._delivered <= 0:
                await self.ask()
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), 3 * _HEARTBEAT_SECONDS)
            except TimeoutError:
                raise _Restart from None
        batch, self._records = self._records, []
        if self._asked - self._delivered < _BATCH // 2:
            await self.ask()
        return batch
