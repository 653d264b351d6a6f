"""The log and the curves of a session for one reader, out of what is read once for all readers."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from nsml_client.aio import AsyncClient
from nsml_client.place import Place
from nsml_core.errors import Error, Unavailable
from nsml_protos import session_pb2
from nsml_protos.session_pb2 import LogPiece, LogsRequest, MetricsRequest
from nsml_web import curves
from nsml_web.channels import CAUGHT_UP, Batch, Channel, Channels, FellBehindError, Told
from nsml_web.output import shown
from nsml_web.sse import event

_AGAIN_SECONDS = 1.0


@dataclass
class Following:
    """One reader, who may see the session: that was asked before."""

    channels: Channels
    client: AsyncClient

    async def lines(self, request: LogsRequest, mark: str) -> AsyncGenerator[bytes, None]:
        """Yield log lines after a mark, as events; without one, the newest and all that come."""
        key = request.SerializeToString(deterministic=True)
        source = partial(lines_of, self.client, request, "")
        while request.follow:
            channel = self.channels.enter(("lines", key), self.client, source)
            try:
                async with aclosing(_after(channel, mark, request.tail)) as told:
                    async for batch in told:
                        mark = batch.marks[-1]
                        yield batch.data
            except FellBehindError:
                break
            except Error:
                if channel.client is self.client:
                    raise
            else:
                return
            finally:
                await self.channels.leave(("lines", key), channel)
        async with aclosing(lines_of(self.client, request, mark)) as told:
            async for batch in told:
                if batch is not CAUGHT_UP:
                    yield batch.data

    async def points(self, request: MetricsRequest) -> AsyncGenerator[bytes, None]:
        """Yield metric points as events: all that there are, then all that come."""
        key = request.SerializeToString(deterministic=True)
        source = partial(points_of, self.client, request)
        while True:
            channel = self.channels.enter(("points", key), self.client, source, whole=True)
            try:
                async with aclosing(channel.batches(0)) as told:
                    async for batch in told:
                        yield batch.data
            except FellBehindError:
                continue  # all is told anew
            except Error:
                if channel.client is self.client:
                    raise
            else:
                return
            finally:
                await self.channels.leave(("points", key), channel)


async def _after(channel: Channel, mark: str, tail: int) -> Told:
    """Yield what follows a mark; without one, from the newest so many rows on."""
    if not mark:
        number = channel.newest(tail)
    else:
        number, row = await channel.place(mark)
        batch = channel.batch(number)
        if row < len(batch.rows):
            marks = batch.marks[row:]
            yield Batch(event("log", batch.rows[row:], marks[-1]), batch.rows[row:], marks)
        number += 1
    async with aclosing(channel.batches(number)) as told:
        async for batch in told:
            yield batch


async def lines_of(client: AsyncClient, request: LogsRequest, mark: str) -> Told:
    """Read a log after a mark, however often the service goes away."""
    place = Place.read(mark)
    while True:
        asked = place.request(request)
        replies = client.stream("Sessions/Logs", asked, session_pb2.LogsReply)
        try:
            async with aclosing(replies):
                async for reply in replies:
                    new = [(_row(one), place.mark) for one in reply.pieces if place.passes(one)]
                    if new:
                        rows, marks = zip(*new, strict=True)
                        yield Batch(event("log", rows, marks[-1]), rows, marks)
                    if reply.live:
                        yield CAUGHT_UP
        except Unavailable:
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            return


async def points_of(client: AsyncClient, request: MetricsRequest) -> Told:
    """Read metrics, however often the service goes away; then all is told anew."""
    while True:
        anew = True
        news = client.stream("Sessions/WatchMetrics", request, session_pb2.MetricsNews)
        try:
            async with aclosing(news):
                async for told in news:
                    data = {"anew": anew or told.anew, "series": curves.rows(told.series)}
                    anew = False
                    yield Batch(event("points", data))
        except Unavailable:
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            return


def _row(piece: LogPiece) -> list[object]:
    source = session_pb2.Source.Name(piece.source).lower()
    return [piece.time_us, source, piece.rank, shown(piece.data)]
