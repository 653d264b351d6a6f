"""Reading everything that the checker looks at off a platform on which nothing runs any more."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import asyncpg
from zstandard import ZstdDecompressor

from nsml_core import auth
from nsml_core.caller import Caller
from nsml_core.clients import connect
from nsml_core.entry import Record, Recorded
from nsml_core.follow import Follower
from nsml_core.jetstream import api, connected
from nsml_core.log import STREAM, SUBJECTS
from nsml_core.settings import SERVICES, Settings, read
from nsml_local import home
from nsml_protos import identity_pb2, scheduler_pb2
from nsml_protos.care_pb2 import RebuildViewRequest, VerifyLogRequest
from nsml_protos.care_pb2_grpc import CareStub
from nsml_protos.ledger_pb2 import AuditRequest
from nsml_protos.ledger_pb2_grpc import LedgerStub
from nsml_protos.session_pb2 import AttemptRef, Frame, Points
from nsml_session.chunks import decode
from tests.faults.history import Command, History, Table
from tests.faults.script import noted
from tests.platform.platforms import Platform

_EVENTS = (identity_pb2.Registered, scheduler_pb2.NodeJoined)  # imported, so that they can be read
_CAUGHT_UP_SECONDS = 120.0
_CARE_SECONDS = 120.0


def gather(platform: Platform, commands: Sequence[Command], notes: Path) -> History:
    """Return all that is known of what happened on a platform."""
    return asyncio.run(_gather(platform, commands, notes))


async def _gather(platform: Platform, commands: Sequence[Command], notes: Path) -> History:
    at = home.find(platform.home)
    assert at is not None
    entries = await _entries(at.nats_url)
    database = await asyncpg.connect(at.postgres_url)
    try:
        await _caught_up(database, entries)
        frames, archive = await _frames(database), await _archive(database)
    finally:
        await database.close()
    settings = read(platform.environment)
    audited = await _audit(settings)
    cared = [await _care(settings, service) for service in SERVICES]
    return History(
        entries=entries,
        commands=commands,
        codes=list(noted(notes)),
        frames=frames,
        archive=archive,
        tables=[table for tables, _ in cared for table in tables],
        findings=[finding for _, findings in cared for finding in findings],
        audit=audited,
    )


async def _entries(url: str) -> list[Recorded]:
    """Return the whole log, as its server has it."""
    async with connected(url, "faults") as client:
        info = await api(client, f"STREAM.INFO.{STREAM}")
        end = int(info["state"]["last_seq"])
        found: list[Recorded] = []
        async with aclosing(Follower(client, STREAM, [SUBJECTS]).batches(0)) as batches:
            async for batch in batches:
                found += [record.decode() for record in batch]
                if found[-1].sequence >= end:
                    break
        return found


async def _caught_up(database: Any, entries: Sequence[Recorded]) -> None:
    """Give the archives time for what was appended last; what is not there then is lost."""
    newest = {entry.subject.split(".")[1]: entry.sequence for entry in entries}
    for service, sequence in newest.items():
        wanted = f"select max(sequence) from {service}.archive"  # noqa: S608 - our own names
        for _ in range(int(_CAUGHT_UP_SECONDS / 0.1)):
            if (await database.fetchval(wanted) or 0) >= sequence:
                break
            await asyncio.sleep(0.1)


async def _archive(database: Any) -> list[Record]:
    copies: list[Record] = []
    for service in SERVICES:
        asked = f"select sequence, subject, data from {service}.archive"  # noqa: S608 - (the same)
        rows = await database.fetch(asked)
        copies += [Record(row["sequence"], row["subject"], row["data"]) for row in rows]
    return sorted(copies, key=lambda copy: copy.sequence)


async def _frames(database: Any) -> list[Frame]:
    """Return every frame, the first of each attempt with all points that were told in it."""
    rows = await database.fetch(
        "select data from session_frames.frame order by name, attempt, number"
    )
    decompressor = ZstdDecompressor()
    frames = [Frame.FromString(decompressor.decompress(row["data"])) for row in rows]
    for frame in frames:
        if frame.number == 1:
            frame.points.CopyFrom(await _points(database, frame.ref))
    return frames


async def _points(database: Any, ref: AttemptRef) -> Points:
    """Return the points of an attempt: those in chunks, then those that wait to be folded."""
    place = (ref.name, ref.attempt)
    chunks = await database.fetch(
        "select s.series, c.count, c.data from session_frames.chunk c "
        "join session_frames.series s on s.name = c.name and s.id = c.series "
        "where c.name = $1 and c.attempt = $2 order by c.series, c.part",
        *place,
    )
    loose = await database.fetch(
        "select data from session_frames.points where name = $1 and attempt = $2 order by number",
        *place,
    )
    found = Points()
    for chunk in chunks:
        points = decode(chunk["data"], chunk["count"])
        found.series_index.extend([len(found.series)] * len(points))
        found.series.append(chunk["series"].decode())
        found.steps.extend(points.steps.tolist())
        found.values.extend(points.values.tolist())
    for row in loose:
        told = Points.FromString(ZstdDecompressor().decompress(row["data"]))
        found.series_index.extend(index + len(found.series) for index in told.series_index)
        found.series.extend(told.series)
        found.steps.extend(told.steps)
        found.values.extend(told.values)
    return found


async def _audit(settings: Settings) -> list[str]:
    """Have the ledger recompute every charge."""
    async with connect(settings.addresses["ledger"], _admin(settings)) as channel:
        ledger: Any = LedgerStub(channel)
        return [
            f"{difference.name} at entry {difference.sequence}: {difference.what}"
            async for said in ledger.Audit(AuditRequest(), timeout=_CARE_SECONDS)
            for difference in said.differences
        ]


def _admin(settings: Settings) -> str:
    secret = auth.make_secret(settings.secret_file)
    return auth.issue(secret, Caller("user", "root", admin=True))


async def _care(settings: Settings, service: str) -> tuple[list[Table], list[str]]:
    """Ask a service whether its view is what it would fold anew, and its log what it wrote."""
    async with connect(settings.addresses[service], _admin(settings)) as channel:
        care: Any = CareStub(channel)
        reply = await care.RebuildView(RebuildViewRequest(check=True), timeout=_CARE_SECONDS)
        tables = [Table(service, table.table, table.equal) for table in reply.tables]
        findings = [
            f"{finding.subject} at entry {finding.sequence}: {finding.what}"
            async for said in care.VerifyLog(VerifyLogRequest(), timeout=_CARE_SECONDS)
            for finding in said.findings
        ]
    return tables, findings
