"""The tables of frames in memory: what runners told, acknowledged once it is kept."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from nsml_protos.session_pb2 import Frame
from tests.simulation.clock import now
from tests.simulation.loop import PROCESS
from tests.simulation.world import world


class Frames:
    """Has the face of the session service's own; a table outlives the service."""

    def __init__(self, pool: Any, quota: Any, points: Any, records: Any) -> None:
        self._kept = world().frames

    async def open(self) -> None:
        """There are no tables to make."""

    async def run(self) -> None:
        """Frames are kept as they come."""
        await asyncio.get_running_loop().create_future()

    async def flush(self, name: str) -> None:
        await asyncio.sleep(world().chance.trip())

    async def take(self, frame: Frame) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        committed: asyncio.Future[None] = loop.create_future()
        taken = Frame.FromString(frame.SerializeToString())
        loop.call_later(world().chance.trip(), self._commit, taken, committed)
        return committed

    def _commit(self, frame: Frame, committed: asyncio.Future[None]) -> None:
        if PROCESS.get().dead or committed.done():
            return
        ref = frame.ref
        mine = self._kept.setdefault((ref.name, ref.attempt, ref.rank), {})
        mine.setdefault(frame.number, (now(), frame))
        committed.set_result(None)

    async def newest(self, name: str, attempt: int, rank: int = 0) -> int:
        await asyncio.sleep(world().chance.trip())
        return max(self._kept.get((name, attempt, rank), {}), default=0)

    async def last_heard(self, name: str, attempt: int, rank: int = 0) -> datetime | None:
        mine = self._kept.get((name, attempt, rank), {})
        return max((heard for heard, _ in mine.values()), default=None)

    async def samples_before(self, frame: Frame, since: datetime) -> list[Frame]:
        ref = frame.ref
        mine = self._kept.get((ref.name, ref.attempt, ref.rank), {})
        return [
            one
            for number, (heard, one) in sorted(mine.items())
            if number < frame.number and one.usage and heard > since
        ]

    async def forget(self, name: str) -> None:
        for place in [place for place in self._kept if place[0] == name]:
            del self._kept[place]
