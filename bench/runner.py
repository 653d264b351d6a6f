"""A runner's line to the session service, held by the measurement: it tells frames of points."""

import random
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bench.home import Platform
from nsml_core import auth
from nsml_core.caller import Caller
from nsml_core.clients import connect
from nsml_protos.session_pb2 import (
    STDOUT,
    AttemptRef,
    EndRequest,
    Frame,
    LogPiece,
    Outcome,
    PlaceRequest,
    Points,
    StartRequest,
)
from nsml_protos.session_pb2_grpc import AttemptsStub, PlacementsStub

_FRAME_POINTS = 20_000
_START_US = 1_700_000_000_000_000


class Line:
    """Tells points, and knows when they are durable."""

    def __init__(self, call: Any, end: Any, ref: AttemptRef) -> None:
        self._call = call
        self._end = end
        self._ref = ref
        self._number = 0

    def frames(self, series: Sequence[str], steps: int) -> list[Frame]:
        """Return frames of noisy points."""
        dice = random.Random(uuid.uuid4().int)  # noqa: S311 - nothing is kept secret by it
        count = _FRAME_POINTS // len(series)
        frames = []
        for first in range(0, steps, count):
            at = [float(step) for step in range(first, min(first + count, steps)) for _ in series]
            times = [_START_US + int(step * 1000 + 50 * dice.random()) for step in at]
            points = Points(
                series=series,
                series_index=list(range(len(series))) * (len(at) // len(series)),
                steps=at,
                times_us=times,
                values=[dice.random() for _ in at],
            )
            self._number += 1
            frames.append(Frame(ref=self._ref, number=self._number, points=points))
        return frames

    def said(self, lines: Sequence[bytes]) -> Frame:
        """Return a frame of output, captured now."""
        self._number += 1
        now = time.time_ns() // 1000
        pieces = [LogPiece(time_us=now, source=STDOUT, data=line) for line in lines]
        return Frame(ref=self._ref, number=self._number, log=pieces)

    async def end(self) -> None:
        """Say the last word: the session has ended, and what waits is folded."""
        await self._call.done_writing()
        await self._end(EndRequest(ref=self._ref, outcome=Outcome(exit_code=0)))

    async def tell(self, frames: Sequence[Frame]) -> None:
        """Tell frames, and return when they are acknowledged."""
        for frame in frames:
            await self._call.write(frame)
        while (await self._call.read()).acknowledged < frames[-1].number:
            pass


@asynccontextmanager
async def line(platform: Platform, name: str) -> AsyncIterator[Line]:
    """Take a session that waits out of the queue, and speak for it."""
    settings = platform.settings
    address, secret = settings.addresses["session"], auth.make_secret(settings.secret_file)
    ref = AttemptRef(name=name, attempt=1)
    async with connect(address, auth.issue(secret, Caller("service", "scheduler"))) as channel:
        placements: Any = PlacementsStub(channel)
        await placements.Place(PlaceRequest(name=name, attempt=1, node="bench"))
    token = auth.issue(secret, Caller("runner", name, attempt=1))
    async with connect(address, token) as channel:
        attempts: Any = AttemptsStub(channel)
        await attempts.Begin(ref)
        await attempts.Start(StartRequest(ref=ref))
        call = attempts.Link()
        yield Line(call, attempts.End, ref)
        call.cancel()
