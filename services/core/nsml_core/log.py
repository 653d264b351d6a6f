"""The log.

One JetStream stream, appended to with an expected sequence, read in batches, never changed.

The server must have every entry on disk before it acknowledges; `connect` refuses one that would
not.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from nsml_core import log_safety
from nsml_core.committer import Append, Committer, Conflict
from nsml_core.connection import Connection
from nsml_core.entry import Record
from nsml_core.errors import Unavailable
from nsml_core.jetstream import (
    Leaderless,
    Silent,
    api,
    ask,
    check_led,
    connected,
    led,
    publish,
)
from nsml_core.settings import Settings

STREAM = "NSML"
SUBJECTS = "nsml.>"
_DIRECT_GET = f"$JS.API.DIRECT.GET.{STREAM}"
_GET = f"$JS.API.STREAM.MSG.GET.{STREAM}"
_NO_MESSAGE = 10037
_READ_BATCH = 1000
_READ_TIMEOUT = 10.0
_LEADER_SECONDS = 2.0
_STREAM_TRIES = 30


@dataclass
class Log:
    """A connection to the log; made by `connect`."""

    client: Connection
    committer: Committer
    monitor_url: str = ""
    """Where the server tells how it is."""

    is_shared: bool = False
    """Others append to the subjects that we append to: what we know may be old."""

    guard: Callable[[], None] = lambda: None
    """Refuses to append for one who may have been succeeded."""

    is_full: bool = False
    """The server had no room for the newest entry: ask before one is sent, and wait in vain."""

    async def append(self, append: Append) -> int:
        """Put one entry on disk and return its sequence; `Conflict` if the subject has moved on."""
        self.guard()
        try:
            if self.is_full:
                await log_safety.check_room(self.monitor_url)
                self.is_full = False
            return await self.committer.append(append)
        except Conflict:
            return await self._ours_after_all(append)
        except Unavailable:
            self.is_full = True
            await log_safety.check_room(self.monitor_url)
            self.is_full = False
            raise

    async def _ours_after_all(self, append: Append) -> int:
        # On one server the conflict check comes before de-duplication: after a lost reply, the
        # entry that we conflict with can be our own.
        last = await self._last(append.subject)
        if last is not None and last[1].get("Nats-Msg-Id") == append.message_id:
            return last[0].sequence
        raise Conflict(append.subject)

    async def read(self, subject: str, after: int = 0) -> list[Record]:
        """Return the entries of one subject that are newer than `after`, oldest first."""
        records: list[Record] = []
        pending = 1
        while pending:
            request = {"seq": after + 1, "next_by_subj": subject, "batch": _READ_BATCH}
            found, pending = await self._batch(request)
            if not found:
                break
            records += found
            after = found[-1].sequence
        return records

    async def last_sequence(self) -> int:
        """Return the sequence of the newest entry of the whole log; 0 when it is empty."""
        info = await api(self.client, f"STREAM.INFO.{STREAM}")
        return int(info["state"]["last_seq"])

    async def check_whole(self, seen: int) -> None:
        """Refuse to go on with a log that has lost entries; those up to `seen` were there."""
        await log_safety.check_whole(self.client, STREAM, seen)

    async def at(self, sequence: int) -> Record | None:
        """Return the entry at a place in the whole log."""
        reply = await ask(self.client, _DIRECT_GET, json.dumps({"seq": sequence}).encode())
        return None if "Status" in (reply.headers or {}) else _record(reply)

    async def current(self, subject: str) -> int:
        """Return the sequence of a subject's last entry, as the server that takes them knows it.

        Of several servers another may answer all other questions, and be a moment behind.
        """
        return await led(lambda: self._current(subject))

    async def _current(self, subject: str) -> int:
        asked = json.dumps({"last_by_subj": subject}).encode()
        try:
            reply = await ask(self.client, _GET, asked, seconds=_LEADER_SECONDS)
        except Silent:  # the others may not have noticed yet that their leader is gone
            raise Leaderless from None
        answer = json.loads(reply.data)
        error = answer.get("error")
        if error is None:
            return int(answer["message"]["seq"])
        if error.get("err_code") == _NO_MESSAGE:
            return 0
        check_led(error)
        raise Unavailable(f"The log does not tell its newest entry: {error.get('description')}.")

    async def newest(self, subjects: Sequence[str]) -> int:
        """Return the sequence of the newest entry of some subjects; 0 if there is none."""
        found = [await self.last(subject) for subject in subjects]
        return max((record.sequence for record in found if record), default=0)

    async def last(self, subject: str) -> Record | None:
        """Return the newest entry of a subject, which may hold wildcards."""
        found = await self._last(subject)
        return found[0] if found else None

    async def _last(self, subject: str) -> tuple[Record, Mapping[str, str]] | None:
        reply = await ask(self.client, _DIRECT_GET, json.dumps({"last_by_subj": subject}).encode())
        headers = reply.headers or {}
        if "Status" in headers:
            return None
        return _record(reply), headers

    async def _batch(self, request: Mapping[str, object]) -> tuple[list[Record], int]:
        inbox = self.client.new_inbox()
        replies = await self.client.subscribe(inbox)
        try:
            await publish(self.client, _DIRECT_GET, json.dumps(request).encode(), reply=inbox)
            found: list[Record] = []
            while True:
                reply = await replies.next_msg(timeout=_READ_TIMEOUT)
                headers = reply.headers or {}
                if "Status" in headers:
                    return found, int(
                        headers.get("Nats-Pending-Messages", headers.get("Nats-Num-Pending", "0"))
                    )
                found.append(_record(reply))
        except NatsError:
            raise Unavailable("The log does not answer; try again shortly.") from None
        finally:
            await replies.unsubscribe()


def _record(reply: Msg) -> Record:
    headers = reply.headers or {}
    return Record(int(headers["Nats-Sequence"]), headers["Nats-Subject"], reply.data)


async def _ensure_stream(client: Connection, settings: Settings) -> None:
    """Make the stream or check it; servers of a cluster first have to agree on who leads it."""
    for attempt in range(_STREAM_TRIES):
        try:
            await log_safety.ensure_stream(client, STREAM, SUBJECTS, settings.log_replicas)
        except Unavailable:
            if attempt == _STREAM_TRIES - 1:
                raise
            await asyncio.sleep(1.0)
        else:
            return


@asynccontextmanager
async def connect(settings: Settings, name: str) -> AsyncIterator[Log]:
    """Connect to the log, make its stream if there is none.

    Refuse a server that could lose entries.
    """
    async with connected(settings.nats_url, name, settings.tls) as client:
        await log_safety.check_server(settings)
        await _ensure_stream(client, settings)
        async with Committer(client).running() as committer:
            yield Log(client, committer, settings.nats_monitor_url, settings.scales_out)
