"""Who did what, when: the trail of a service is its own part of the log, read from the archive."""

from collections.abc import AsyncIterator
from fnmatch import fnmatchcase

from google.protobuf.timestamp_pb2 import Timestamp

from nsml_core.entry import Record, Recorded
from nsml_core.views import View
from nsml_protos.care_pb2 import TrailLine, TrailReply, TrailRequest

_PAGE = 1_000
_CLOCKS_US = 600_000_000
"""So far may the clocks of those who wrote the log be apart."""


async def trail(view: View, request: TrailRequest) -> AsyncIterator[TrailReply]:
    """Yield what is asked for, newest first, a page of the archive at a time."""
    before, left = 1 << 62, request.limit or (1 << 62)
    while left > 0:
        rows = await view.pool.fetch(
            f"select sequence, subject, data from {view.schema.service}.archive "  # noqa: S608 - a schema
            "where sequence < $1 order by sequence desc limit $2",
            before,
            _PAGE,
        )
        if not rows:
            return
        entries = [Record(row["sequence"], row["subject"], row["data"]).decode() for row in rows]
        lines = [line for entry in entries for line in _lines(entry, request)][:left]
        left -= len(lines)
        yield TrailReply(lines=lines)
        before = entries[-1].sequence
        if _us(entries[-1].entry.time) < request.since_us - _CLOCKS_US:
            return


def _lines(entry: Recorded, request: TrailRequest) -> list[TrailLine]:
    at = _us(entry.entry.time)
    if at < request.since_us or 0 < request.until_us <= at:
        return []
    if request.who and not _is_by(entry.entry.actor, request.who):
        return []
    about = entry.subject.split(".", 2)[2].replace(".", "/")
    named = [event.DESCRIPTOR.name for event in entry.events]
    return [
        TrailLine(
            sequence=entry.sequence,
            time=entry.entry.time,
            actor=entry.entry.actor,
            about=about,
            event=name,
            request_id=entry.entry.request_id,
        )
        for name in named
        if not request.what or fnmatchcase(name, request.what) or fnmatchcase(about, request.what)
    ]


def _is_by(actor: str, who: str) -> bool:
    return fnmatchcase(actor, who) or fnmatchcase(actor.partition(":")[2], who)


def _us(time: Timestamp) -> int:
    return time.seconds * 1_000_000 + time.nanos // 1_000
