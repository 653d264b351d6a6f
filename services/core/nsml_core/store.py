"""Aggregates in memory.

The folded state of each, kept, and brought up to date by reading only what is newer.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from google.protobuf.message import Message

from nsml_core import telemetry
from nsml_core.calls import note_position
from nsml_core.committer import Append, Conflict
from nsml_core.decider import Aggregate
from nsml_core.entry import Context, check_chain, digest, encode
from nsml_core.errors import Error, Unavailable
from nsml_core.log import Log

S = TypeVar("S", bound=Message)

_KEPT = 20_000
_TRIES = 30
_BEHIND_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Version(Generic[S]):
    """The state of an aggregate at an entry: its sequence and its hash."""

    state: S
    sequence: int = 0
    hash: bytes = b""


Decision = Callable[[S], Sequence[Message]]
"""A pure function of the state: the events that are to happen; none if there is nothing to do."""

Snapshots = Callable[[str], Awaitable[Version[S] | None]]
"""Where a state may be had that somebody folded before: a view's row, by the aggregate's key."""


class Store(Generic[S]):
    """All aggregates of one kind, of which this service is the only writer."""

    def __init__(
        self, log: Log, aggregate: Aggregate[S], snapshots: Snapshots[S] | None = None
    ) -> None:
        self.aggregate = aggregate
        self._log = log
        self._snapshots = snapshots
        self._versions: OrderedDict[str, Version[S]] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(self, key: str) -> S:
        """Return the state of one aggregate; that of a new one if it has no entries."""
        async with self._lock(key):
            version = await self._version(key, is_new=False)
            if self._log.is_shared:
                version = await self._newest(key, version)
            return version.state

    async def decide(
        self, key: str, context: Context, decision: Decision[S], *, is_new: bool = False
    ) -> S:
        """Decide on the newest state and append what happens; return the state afterwards.

        The decision is taken anew when another writer was faster, so it must be a pure function.
        Who believes that the aggregate is new need not have it looked up: the log knows better.
        """
        async with self._lock(key):
            for _ in range(_TRIES):
                version = await self._version(key, is_new=is_new)
                version, events = await self._decided(key, version, decision)
                if not events:
                    note_position(version.sequence)
                    return version.state
                try:
                    return await self._append(key, context, version, events)
                except Conflict:
                    if self._log.is_shared:
                        await self._newest(key, version)
                    else:
                        await self._refresh(key, version)
        raise Unavailable(f"Too many changes to {key} at once; try again shortly.")

    async def _decided(
        self, key: str, version: Version[S], decision: Decision[S]
    ) -> tuple[Version[S], Sequence[Message]]:
        """Decide on what is known; replicas refuse nothing, and call nothing done, by what is old.

        What it would append the log takes only if nothing newer is there.
        """
        try:
            events = decision(version.state)
        except Error:
            newest = await self._newest(key, version) if self._log.is_shared else version
            if newest.sequence == version.sequence:
                raise
            return newest, decision(newest.state)
        if events or not self._log.is_shared:
            return version, events
        newest = await self._newest(key, version)
        return newest, events if newest.sequence == version.sequence else decision(newest.state)

    async def _newest(self, key: str, version: Version[S]) -> Version[S]:
        """Return the state at the newest entry that the log has now."""
        sequence = await self._log.current(self.aggregate.subject(key))
        for tried in range(_TRIES):
            if version.sequence >= sequence:
                return version
            if tried:  # the server that was asked does not have it yet
                await asyncio.sleep(_BEHIND_SECONDS)
            version = await self._refresh(key, version)
        raise Unavailable(f"The log does not show its newest entry of {key}; try again shortly.")

    async def _append(
        self, key: str, context: Context, version: Version[S], events: Sequence[Message]
    ) -> S:
        subject = self.aggregate.subject(key)
        message = telemetry.Message(
            subject, context.entry_id, context.request_id, context.traceparent
        )
        try:
            with telemetry.appending(message) as span:
                context = replace(context, traceparent=span.traceparent)
                data = encode(context, version.hash, events)
                append = Append(
                    subject, data, version.sequence, context.entry_id, _headers(context)
                )
                sequence = await self._log.append(append)
        except Conflict:
            raise
        except BaseException:
            self._versions.pop(key, None)  # it may be there or not: the next reader finds out
            raise
        state = self.aggregate.fold(version.state, ((event, context.time) for event in events))
        self._keep(key, Version(state, sequence, digest(data)))
        note_position(sequence)
        return state

    async def _version(self, key: str, *, is_new: bool) -> Version[S]:
        version = self._versions.get(key)
        if version is not None:
            self._versions.move_to_end(key)
            return version
        if is_new:
            return Version(self.aggregate.state())
        snapshot = await self._snapshots(key) if self._snapshots else None
        return await self._refresh(key, snapshot or Version(self.aggregate.state()))

    async def _refresh(self, key: str, version: Version[S]) -> Version[S]:
        for record in await self._log.read(self.aggregate.subject(key), version.sequence):
            entry = record.decode()
            check_chain(version.hash, entry)
            state = self.aggregate.fold(
                version.state, ((event, entry.time) for event in entry.events)
            )
            version = Version(state, entry.sequence, entry.hash)
        self._keep(key, version)
        return version

    def _keep(self, key: str, version: Version[S]) -> None:
        self._versions[key] = version
        self._versions.move_to_end(key)
        while len(self._versions) > _KEPT:
            oldest, _ = self._versions.popitem(last=False)
            lock = self._locks.get(oldest)
            if lock is not None and not lock.locked():
                del self._locks[oldest]

    def _lock(self, key: str) -> asyncio.Lock:
        return self._locks.setdefault(key, asyncio.Lock())


def _headers(context: Context) -> dict[str, str]:
    headers = {"x-request-id": context.request_id, "traceparent": context.traceparent}
    return {name: value for name, value in headers.items() if value}
