"""An audit of the log as it stands: read from its first entry on, beside the ledger's work."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC
from typing import get_args

from google.protobuf.message import Message

from nsml_core.entry import Record, unpack
from nsml_core.errors import Damaged
from nsml_core.follow import Follower
from nsml_core.log import STREAM
from nsml_core.views import View
from nsml_ledger.audit import Audit, unlike_views
from nsml_ledger.runs import EVENTS
from nsml_ledger.views import book_states
from nsml_protos.ledger_pb2 import AuditReply, Difference
from nsml_protos.log_pb2 import Entry

_AT_ONCE = 100
"""So many entries are looked at before others get their turn."""

_SETTLE_SECONDS = 10.0
"""How long a session may have ended before its hold must be closed."""

_AGAIN_SECONDS = 0.1

_SESSION_EVENTS = {f"/{event.DESCRIPTOR.full_name}" for event in get_args(EVENTS)}


class Auditor:
    """One walk over all entries of the ledger and of the sessions."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._audit = Audit()
        self._position = 0
        self._end = 0

    async def walk(self) -> AsyncIterator[AuditReply]:
        """Yield what is found as the walk goes on; the last reply has seen all."""
        await self._view.see_all()
        self._end = self._view.position
        async for found in self._read(self._end):
            yield self._reply(found)
        last = await self._read_settlements()
        async with self._view.held():
            last += [one async for found in self._read(self._view.position) for one in found]
            states = await book_states(self._view)
        last += self._audit.finish(self._end) + unlike_views(self._audit.books, states)
        yield self._reply(last)

    async def _read_settlements(self) -> list[Difference]:
        """Read on until what had ended is settled, which takes a moment, or should have been."""
        found: list[Difference] = []
        deadline = asyncio.get_running_loop().time() + _SETTLE_SECONDS
        while self._audit.unsettled(self._end):
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(_AGAIN_SECONDS)
            found += [one async for part in self._read(self._view.position) for one in part]
        return found

    async def _read(self, end: int) -> AsyncIterator[list[Difference]]:
        """Read on to an entry that the view has seen."""
        if self._position >= end:
            return
        follower = Follower(self._view.log.client, STREAM, self._view.schema.subjects)
        async with contextlib.aclosing(follower.batches(self._position)) as batches:
            async for batch in batches:
                records = [record for record in batch if record.sequence <= end]
                for start in range(0, len(records), _AT_ONCE):
                    chunk = records[start : start + _AT_ONCE]
                    self._position = chunk[-1].sequence
                    yield [found for record in chunk for found in self._see(record)]
                if batch[-1].sequence >= end:
                    return

    def _see(self, record: Record) -> list[Difference]:
        try:
            entry = Entry.FromString(record.data)
            events = _events(record.subject, entry)
        except (Damaged, ValueError):
            what = "an entry cannot be read: `nsml admin log verify` says which were altered"
            return [Difference(name=record.subject, sequence=record.sequence, what=what)]
        time = entry.time.ToDatetime(UTC)
        return self._audit.see(record.sequence, record.subject, time, events)

    def _reply(self, found: Sequence[Difference]) -> AuditReply:
        audit = self._audit
        return AuditReply(
            position=self._position,
            end=self._end,
            entries=audit.entries,
            books=len(audit.books),
            attempts=len(audit.runs.attempts),
            holds=len(audit.tallies),
            differences=found,
        )


def _events(subject: str, entry: Entry) -> list[Message]:
    """Unpack what an audit reads: of a session most is not about time."""
    is_session = subject.startswith("nsml.session.")
    return [
        unpack(packed)
        for packed in entry.events
        if not is_session or packed.type_url in _SESSION_EVENTS
    ]
