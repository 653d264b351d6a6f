"""Is the log what was written: each entry is held against its chain and its archived copy."""

import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from nsml_core.database import Pool
from nsml_core.entry import Record, Recorded, digest
from nsml_core.errors import Damaged
from nsml_core.follow import Follower
from nsml_core.log import STREAM, Log
from nsml_protos.care_pb2 import Finding, VerifyLogReply


class Verification:
    """One walk over all entries of a service, from the first on."""

    def __init__(self, log: Log, pool: Pool, service: str, position: int) -> None:
        self._log = log
        self._pool = pool
        self._service = service
        self._position = position  # up to here the archive has a copy of every entry
        self._hashes: dict[str, bytes] = {}
        self._entries = 0

    async def walk(self) -> AsyncIterator[VerifyLogReply]:
        """Yield what was found in each batch; the last reply has seen all."""
        after = 0
        subjects = [f"nsml.{self._service}.>"]
        newest = await self._log.last(subjects[0])
        end = min(newest.sequence if newest else 0, self._position)
        if end:
            follower = Follower(self._log.client, STREAM, subjects)
            async with contextlib.aclosing(follower.batches(0)) as batches:
                async for batch in batches:
                    records = [record for record in batch if record.sequence <= end]
                    yield await self._check(records, after)
                    after = batch[-1].sequence
                    if after >= end:
                        break
        yield await self._lost_since(min(after, end))

    async def _check(self, records: Sequence[Record], after: int) -> VerifyLogReply:
        self._entries += len(records)
        findings = [finding for record in records for finding in self._chain(record)]
        if records:
            findings += await self._archive(records, after)
        return VerifyLogReply(entries=self._entries, findings=findings)

    def _chain(self, record: Record) -> list[Finding]:
        """Compare what an entry says of the one before it with that one."""
        before = self._hashes.get(record.subject, b"")
        self._hashes[record.subject] = digest(record.data)
        entry = _decoded(record)
        if entry is None:
            return [_finding(record.sequence, record.subject, "it cannot be read")]
        if entry.entry.previous == before:
            return []
        what = "it does not follow the entry before it: that one, or this, was altered"
        return [_finding(record.sequence, record.subject, what)]

    async def _archive(self, records: Sequence[Record], after: int) -> list[Finding]:
        """Compare the log's entries with their copies, both ways."""
        rows = await self._pool.fetch(
            f"select sequence, subject, hash, data from {self._service}.archive "
            "where sequence > $1 and sequence <= $2",
            after,
            records[-1].sequence,
        )
        copies = {row["sequence"]: row for row in rows}
        findings = []
        for record in records:
            copy = copies.pop(record.sequence, None)
            what = _difference(record, copy)
            if what:
                findings.append(_finding(record.sequence, record.subject, what))
        return findings + _lost(copies.values())

    async def _lost_since(self, after: int) -> VerifyLogReply:
        """Name what the archive holds beyond the log's last entry."""
        rows = await self._pool.fetch(
            f"select sequence, subject from {self._service}.archive where sequence > $1 "
            "and sequence <= $2",
            after,
            self._position,
        )
        return VerifyLogReply(entries=self._entries, findings=_lost(rows))


def _difference(record: Record, copy: Any) -> str:
    """Return how an entry and its copy differ; a copy carries the hash it was stored with."""
    if copy is None:
        return "the archive has lost its copy"
    _, subject, stored, data = copy
    if data == record.data and subject == record.subject:
        return "" if stored == digest(record.data) else "the archive's hash of it was altered"
    if stored == digest(record.data):
        return "the archive's copy was altered"
    return "it was altered in the log; the archive's copy is as it was written"


def _decoded(record: Record) -> Recorded | None:
    try:
        return record.decode()
    except (Damaged, ValueError):
        return None


def _lost(rows: Iterable[Any]) -> list[Finding]:
    what = "the log has lost it; the archive has it"
    return [_finding(row["sequence"], row["subject"], what) for row in rows]


def _finding(sequence: int, subject: str, what: str) -> Finding:
    return Finding(sequence=sequence, subject=subject, what=what)
