"""A log made whole again from what is left of it and from its archives, in a store of its own.

The old store is read and never written; nothing is made before everything was looked at.
"""

import base64
import json
import os
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import asyncpg

from nsml_core import archives, stored
from nsml_core.archives import Copy
from nsml_core.entry import Record
from nsml_core.errors import Refused, Unavailable
from nsml_core.jetstream import connected
from nsml_core.republish import Progress, republish
from nsml_core.union import Place, Union, as_entry
from nsml_protos.log_pb2 import Entry


@dataclass(frozen=True)
class Source:
    """Where the old log and the archives answer."""

    nats_url: str
    """Empty where the log's store cannot even be opened."""

    postgres_url: str


@dataclass(frozen=True)
class Plan:
    """What a restore will do."""

    union: Union
    must_fill: bool
    """The log lacks entries that are to be had, or holds some that must not stay."""

    again: list[str]
    """Services that are to fold their views anew, since they have seen what is gone."""

    lost: int
    """Entries that somebody has seen and nobody holds any more."""


async def plan(source: Source, before: int = 0) -> Plan:
    """Look at everything; refuse where there is nothing to be restored, or nothing to trust.

    `before` names the entry that cannot be trusted, and consents to keep only what came before it.
    """
    async with _postgres(source.postgres_url) as connection:
        seen = await archives.positions(connection)
        union = Union(seen)
        async for place in _places(source, connection, list(seen)):
            union.take(place)
        kept = await archives.newest(connection, seen)
    _refuse_what_cannot_be_trusted(union, before)
    ahead = {view for view in seen if max(seen[view], kept[view]) > union.last}
    must_fill = union.logged < union.last or await _holds_more(source, union)
    if not must_fill and not ahead:
        _refuse_what_is_whole(union)
    return Plan(
        union=union,
        must_fill=must_fill,
        again=sorted(ahead | (union.incomplete.keys() & seen.keys())),
        lost=max(0, max([*seen.values(), union.newest]) - union.last - union.beyond),
    )


async def fill(source: Source, found: Plan, url: str, beyond: Path, progress: Progress) -> None:
    """Fill an empty log with what the plan found; keep in a file what lies beyond a gap."""
    async with connected(url, "restore") as client, _postgres(source.postgres_url) as connection:
        places = _places(source, connection, list(found.union.positions))
        chosen = _unbroken(Union(found.union.positions), places, beyond)
        last = await republish(client, chosen, progress)
    if last != found.union.last:
        raise Unavailable(
            f"The log was to end at {found.union.last} and ends at {last}: somebody else works on "
            "this home; stop that and restore again."
        )


async def keep_beyond(source: Source, found: Plan, beyond: Path) -> None:
    """Keep in a file what lies beyond a gap, of a log that needs not be filled."""
    async with _postgres(source.postgres_url) as connection:
        places = _places(source, connection, list(found.union.positions))
        async for _ in _unbroken(Union(found.union.positions), places, beyond):
            pass


async def fold_anew(postgres_url: str, services: list[str]) -> None:
    """Let these services fold their views from the first entry on when they start next."""
    async with _postgres(postgres_url) as connection:
        await archives.fold_anew(connection, services)


async def _holds_more(source: Source, union: Union) -> bool:
    """Tell whether the log's server goes on after the unbroken beginning."""
    if not source.nats_url:
        return True
    async with connected(source.nats_url, "restore") as client:
        state = await stored.state(client)
    return state is not None and (state["last_seq"], state["messages"]) != (union.last, union.last)


async def _unbroken(
    chosen: Union, places: AsyncIterator[Place], beyond: Path
) -> AsyncIterator[Record]:
    """Yield the unbroken beginning, and write down what comes after it."""
    with ExitStack() as stack:
        file: TextIO | None = None
        async for place in places:
            record = chosen.take(place)
            if record:
                yield record
                continue
            if file is None:
                file = stack.enter_context(_private(beyond))
            file.writelines(_line(held, one) for held, one in _held(place))
        if file:  # what the views keep of these entries is forgotten soon
            file.flush()
            os.fsync(file.fileno())


def _private(path: Path) -> TextIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w")


def _held(place: Place) -> list[tuple[str, Record]]:
    logged = [("log", place.logged)] if place.logged else []
    if place.copy and place.copy.record != place.logged:
        return [*logged, ("archive", place.copy.record)]
    return logged


def _line(held: str, record: Record) -> str:
    """Return an entry byte for byte, and for people what can be read of it."""
    entry = as_entry(record) or Entry()
    line = {
        "sequence": record.sequence,
        "subject": record.subject,
        "held_by": held,
        "time": entry.time.ToJsonString(),
        "actor": entry.actor,
        "events": [event.type_url.rpartition("/")[2] for event in entry.events],
        "data": base64.b64encode(record.data).decode(),
    }
    return json.dumps(line) + "\n"


def _refuse_what_cannot_be_trusted(union: Union, before: int) -> None:
    if not union.copied:
        raise Refused(
            "The archives are empty, so there is nothing to restore from: `nsml up` fills them "
            "from the log; if the log is lost too, `nsml admin restore` a backup into a new home."
        )
    if not union.last:
        raise Refused(
            f"{union.altered or 'The first entry is lost'}, so nothing can be placed and nothing "
            "was changed: `nsml admin restore` a backup into a new home."
        )
    if before and not (union.altered and before == union.last + 1):
        raise Refused(
            f"Entry {before} is not the first that was altered, so nothing was changed: restore "
            "without --before."
        )
    if union.altered and not before:
        raise Refused(
            f"{union.altered}; nothing was changed: restore a backup, or keep only what came "
            f"before with `nsml admin log restore --before {union.last + 1}`."
        )


def _refuse_what_is_whole(union: Union) -> None:
    for service, what in union.incomplete.items():
        raise Refused(
            f"The log is whole; {what}: `nsml up`, and then `nsml admin log restore --archive "
            f"{service}` makes the archive anew from the log."
        )
    behind = union.last - union.copied
    more = f", and {behind:,} more that `nsml up` copies there" if behind else ""
    raise Refused(
        f"The log is whole: it holds all {union.copied:,} entries that the archive has{more}; "
        "nothing was changed."
    )


@asynccontextmanager
async def _postgres(url: str) -> AsyncIterator[Any]:
    try:
        connection = await asyncpg.connect(url)
    except (OSError, asyncpg.PostgresError) as error:
        raise Unavailable(f"PostgreSQL with the archives does not answer: {error}.") from None
    try:
        yield connection
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Unavailable(f"The archives cannot be read: {error}; nothing was changed.") from None
    finally:
        await connection.close()


async def _places(source: Source, connection: Any, views: list[str]) -> AsyncIterator[Place]:
    """Walk through log and archives at once, place by place."""
    copied = archives.copies(connection, views)
    if not source.nats_url:
        async for copy in copied:
            yield Place(copy.record.sequence, None, copy)
        return
    async with connected(source.nats_url, "restore") as client:
        async for place in _merged(stored.records(client), copied):
            yield place


async def _merged(
    logged: AsyncIterator[Record], copied: AsyncIterator[Copy]
) -> AsyncIterator[Place]:
    record, copy = await anext(logged, None), await anext(copied, None)
    while record or copy:
        at = min(one.sequence for one in (record, copy.record if copy else None) if one)
        mine = record if record and record.sequence == at else None
        theirs = copy if copy and copy.record.sequence == at else None
        yield Place(at, mine, theirs)
        if mine:
            record = await anext(logged, None)
        if theirs:
            copy = await anext(copied, None)
