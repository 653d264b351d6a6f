"""The past of an aggregate: its entries in the archive, and its state at an earlier time."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TypeVar

from google.protobuf.message import Message

from nsml_core.decider import Aggregate
from nsml_core.entry import Record
from nsml_core.errors import NotFound
from nsml_core.times import iso
from nsml_core.views import View
from nsml_protos.log_pb2 import Entry

S = TypeVar("S", bound=Message)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(time_us: int) -> datetime:
    """Return the time so many microseconds after the beginning of 1970."""
    return _EPOCH + timedelta(microseconds=time_us)


async def history(view: View, subjects: Sequence[str], after: int = 0) -> list[Record]:
    """Return the entries of some subjects, one subject after the other, oldest first."""
    rows = await view.pool.fetch(
        f"select sequence, subject, data from {view.schema.service}.archive "  # noqa: S608 - a schema
        "where subject = any($1) and sequence > $2 order by subject, sequence",
        list(subjects),
        after,
    )
    return [Record(row["sequence"], row["subject"], row["data"]) for row in rows]


async def check_begun(view: View, time: datetime) -> None:
    """Refuse a time before the first entry of a service: nothing stood in any way then.

    By a clock that was set back, the newest entry can be the earlier one.
    """
    rows = [
        await view.pool.fetchval(
            f"select data from {view.schema.service}.archive order by sequence {order} limit 1"  # noqa: S608
        )
        for order in ("asc", "desc")
    ]
    began = min((Entry.FromString(row).time.ToDatetime(UTC) for row in rows if row), default=time)
    if began > time:
        raise NotFound(f"Nothing had happened yet then: the log begins at {iso(began)}.")


def until(records: Sequence[Record], time: datetime) -> Sequence[Record]:
    """Return what had happened by a time: a clock that was set back hides nothing in between."""
    kept = len(records)
    while kept and Entry.FromString(records[kept - 1].data).time.ToDatetime(UTC) > time:
        kept -= 1
    return records[:kept]


async def states_at(
    view: View, aggregate: Aggregate[S], known: Mapping[str, S], time: datetime
) -> dict[str, S]:
    """Return aggregates as they stood, without those that were not there yet.

    Those to which nothing has happened since are returned as they are known to stand.
    """
    then: dict[str, S] = {}
    records = await history(view, [aggregate.subject(key) for key in known])
    for subject, group in groupby(records, key=lambda record: record.subject):
        mine, key = list(group), aggregate.key(subject)
        kept = until(mine, time)
        if kept:
            then[key] = known[key] if len(kept) == len(mine) else fold(aggregate, kept)
    return then


def fold(aggregate: Aggregate[S], records: Iterable[Record]) -> S:
    """Return the state after these entries of one aggregate, its first ones."""
    entries = [record.decode() for record in records]
    return aggregate.fold(
        aggregate.state(), ((event, entry.time) for entry in entries for event in entry.events)
    )
