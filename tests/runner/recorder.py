"""The session service's side of the contract, which remembers all that a runner tells it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from nsml_core.errors import NotFound, Superseded
from nsml_core.status import to_grpc
from nsml_protos import board_pb2, board_pb2_grpc, session_pb2, session_pb2_grpc


@dataclass
class Told:
    """What one attempt has told."""

    assignment: session_pb2.Assignment
    started: list[str] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    python: str = ""
    frames: list[session_pb2.Frame] = field(default_factory=list)
    checkpoints: list[session_pb2.Checkpoint] = field(default_factory=list)
    end: session_pb2.EndRequest | None = None
    orders: asyncio.Queue[session_pb2.Order] = field(default_factory=asyncio.Queue)
    answers: dict[str, session_pb2.EvalReply] = field(default_factory=dict)
    shells: dict[str, list[session_pb2.ShellOutput]] = field(default_factory=dict)
    typed: asyncio.Queue[session_pb2.ShellInput | None] = field(default_factory=asyncio.Queue)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def output(self, *sources: session_pb2.Source.ValueType) -> bytes:
        wanted = sources or (session_pb2.STDOUT,)
        pieces = (piece for frame in self.frames for piece in frame.log)
        return b"".join(piece.data for piece in pieces if piece.source in wanted)

    @property
    def outcome(self) -> session_pb2.Outcome:
        assert self.end is not None, "the attempt has not ended"
        return self.end.outcome

    async def until(self, condition: Any) -> None:
        async with self.news:
            await self.news.wait_for(lambda: condition(self))


class Recorder(session_pb2_grpc.AttemptsServicer):
    def __init__(self) -> None:
        self.told: dict[str, Told] = {}
        self.refused: set[str] = set()
        self.acknowledges = True
        self.refuses = ""
        """Why it keeps no checkpoint."""

    async def _find(self, ref: session_pb2.AttemptRef, context: Any) -> Told:
        told = self.told[ref.name]
        if ref.name in self.refused or told.assignment.attempt != ref.attempt:
            await context.abort(to_grpc(Superseded("")), "Another attempt has taken its place.")
        return told

    async def Begin(self, request: Any, context: Any) -> session_pb2.Assignment:
        return (await self._find(request, context)).assignment

    async def Start(self, request: Any, context: Any) -> session_pb2.StartReply:
        told = await self._find(request.ref, context)
        async with told.news:
            told.started.append(request.environment)
            told.packages, told.python = list(request.packages), request.python
            told.news.notify_all()
        return session_pb2.StartReply()

    async def Meet(self, request: Any, context: Any) -> session_pb2.MeetReply:
        """All are ready as soon as as many have come as the assignment names members."""
        told = await self._find(request.ref, context)
        async with told.news:
            members = told.assignment.session.attempts[-1].members
            mine = members[request.ref.rank]
            mine.address, mine.ports[:] = request.ready.address, request.ready.ports
            mine.ready.GetCurrentTime()
            told.news.notify_all()
        is_all = all(member.HasField("ready") for member in members)
        return session_pb2.MeetReply(all=is_all, members=members)

    async def Link(self, requests: Any, context: Any) -> AsyncIterator[session_pb2.Order]:
        first = await anext(requests)
        told = await self._find(first.ref, context)
        orders: asyncio.Queue[session_pb2.Order] = asyncio.Queue()
        told.orders = orders
        listening = asyncio.create_task(self._listen(told, first, requests, orders))
        try:
            while True:
                yield await orders.get()
        finally:
            listening.cancel()

    async def _listen(self, told: Told, first: Any, requests: Any, orders: Any) -> None:
        await self._keep(told, first, orders)
        async for frame in requests:
            await self._keep(told, frame, orders)

    async def _keep(self, told: Told, frame: session_pb2.Frame, orders: Any) -> None:
        async with told.news:
            if frame.number == len(told.frames) + 1:
                told.frames.append(frame)
            told.news.notify_all()
        assert frame.number <= len(told.frames), "a gap between frames"
        if self.acknowledges:
            await orders.put(session_pb2.Order(acknowledged=len(told.frames)))

    async def SaveCheckpoint(self, request: Any, context: Any) -> session_pb2.SaveCheckpointReply:
        told = await self._find(request.ref, context)
        async with told.news:
            if not self.refuses:
                told.checkpoints.append(request.checkpoint)
            told.news.notify_all()
        return session_pb2.SaveCheckpointReply(refused=self.refuses)

    async def FindCheckpoint(self, request: Any, context: Any) -> session_pb2.Checkpoint:
        told = await self._find(request.ref, context)
        other = self.told.get(request.session, told) if request.session else told
        known = [*other.assignment.session.checkpoints, *other.checkpoints]
        wanted = request.before or request.checkpoint
        found = [one for one in known if wanted in ("", one.name)]
        if request.before:
            found = known[: known.index(found[-1])]
        if not found:
            await context.abort(to_grpc(NotFound("")), f"No checkpoint {request.checkpoint}.")
        return found[-1]

    async def End(self, request: Any, context: Any) -> session_pb2.EndReply:
        told = await self._find(request.ref, context)
        async with told.news:
            told.end = request
            told.news.notify_all()
        return session_pb2.EndReply()

    async def Answer(self, request: Any, context: Any) -> session_pb2.AnswerReply:
        told = await self._find(request.ref, context)
        async with told.news:
            told.answers[request.id] = request.reply
            told.news.notify_all()
        return session_pb2.AnswerReply()

    async def Attach(self, requests: Any, context: Any) -> AsyncIterator[session_pb2.ShellInput]:
        """What is typed goes to any shell; None hangs up."""
        to = (await anext(requests)).to
        told = await self._find(to.ref, context)
        outputs = told.shells.setdefault(to.id, [])
        taking = asyncio.create_task(self._take(told, outputs, requests))
        try:
            while (word := await told.typed.get()) is not None:
                yield word
        finally:
            taking.cancel()

    async def _take(self, told: Told, outputs: Any, requests: Any) -> None:
        async for word in requests:
            async with told.news:
                outputs.append(word.output)
                told.news.notify_all()
            if word.output.HasField("ended"):
                await told.typed.put(None)


class BoardRecorder(board_pb2_grpc.BoardsServicer):
    """The dataset service's side of a submission."""

    def __init__(self) -> None:
        self.brief = board_pb2.Brief()
        self.reports: list[board_pb2.ReportRequest] = []
        self.printed: list[str] = []
        """By evaluations that gave no score."""

    async def Assign(self, request: Any, context: Any) -> board_pb2.Brief:
        return self.brief

    async def Report(self, request: Any, context: Any) -> board_pb2.ReportReply:
        if request.printed:
            self.printed.append(request.printed)
        else:
            self.reports.append(request)
        return board_pb2.ReportReply()
