"""The gRPC face for runners.

Every word is checked against the attempt that the runner's token names.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from google.protobuf.message import Message

from nsml_core.authority import may
from nsml_core.caller import Caller
from nsml_core.calls import current
from nsml_core.directory import Directory
from nsml_core.errors import Invalid, NotFound, NotPermitted, Superseded, Unavailable
from nsml_core.storage import Storage
from nsml_core.store import Store
from nsml_protos import session_pb2 as pb
from nsml_protos.options_pb2 import Need
from nsml_protos.session_pb2 import AttemptRef, Frame, Order, Session, Status
from nsml_protos.session_pb2_grpc import AttemptsServicer
from nsml_session import checkpoints, decide, gangs
from nsml_session.environments import with_environment
from nsml_session.frames import Frames
from nsml_session.heard import Heard
from nsml_session.live import Hub, first_word
from nsml_session.slots import NUMBER_MAX, place
from nsml_session.state import current_attempt
from nsml_session.terminals import Terminals
from nsml_session.told import Told

_GRACE_SECONDS = 10

Taken = tuple[Frame, "asyncio.Future[None]"]
"""A frame, and what is done once it is committed."""


class Attentive(Protocol):
    """Keeps in memory what frames say, while they are heard here."""

    def hear(self, frame: Frame) -> None:
        """Take what a frame says."""

    def forget(self, name: str) -> None:
        """Let go of a session that is not heard here any more."""


@dataclass(frozen=True)
class Ears:
    """Who hears of what runners say."""

    told: Told
    heard: Heard
    begun: Hub[None]
    attentive: Sequence[Attentive]
    is_shared: bool


class Attempts(AttemptsServicer):
    """Listens to runners, and gives them orders."""

    def __init__(
        self,
        sessions: Store[Session],
        frames: Frames,
        terminals: Terminals,
        ears: Ears,
        directory: Directory,
        storage: Storage,
    ) -> None:
        self._storage = storage
        self._sessions = sessions
        self._frames = frames
        self._terminals = terminals
        self._orders = terminals.orders
        self._ears = ears
        self._missed: set[tuple[str, int, int]] = set()
        self._directory = directory

    async def Begin(self, request: AttemptRef, context: Any) -> pb.Assignment:
        state = await self._fenced(request)
        session = with_environment(state)
        gangs.see_as(session, request.rank)
        return pb.Assignment(session=session, attempt=request.attempt, rank=request.rank)

    async def Meet(self, request: pb.MeetRequest, context: Any) -> pb.MeetReply:
        said = partial(decide.meet, ready=request.ready)
        with self._ears.begun.listening(request.ref.name) as begun:
            state = await self._decide(request.ref, said)
            if state.status != Status.RUNNING:
                await first_word(begun, begun)
                state = await self._fenced(request.ref)
        return pb.MeetReply(
            all=state.status == Status.RUNNING, members=current_attempt(state).members
        )

    async def Start(self, request: pb.StartRequest, context: Any) -> pb.StartReply:
        said = partial(
            decide.start,
            environment=request.environment,
            packages=request.packages,
            python=request.python,
        )
        await self._decide(request.ref, said)
        return pb.StartReply()

    async def SaveCheckpoint(
        self, request: pb.SaveCheckpointRequest, context: Any
    ) -> pb.SaveCheckpointReply:
        refused = await self._refusal(await self._fenced(request.ref), request.checkpoint)
        if not refused:
            said = partial(decide.save_checkpoint, checkpoint=request.checkpoint)
            await self._decide(request.ref, said)
        return pb.SaveCheckpointReply(refused=refused)

    async def _refusal(self, state: Session, new: pb.Checkpoint) -> str:
        """Return why its owner may not keep a checkpoint; one that is kept already takes no room.

        It is an answer and no error: what is exhausted now a runner asks for again and again.
        """
        if any(new.tree == saved.tree for saved in state.checkpoints):
            return ""
        replaced = sum(saved.bytes for saved in state.checkpoints if saved.name == new.name)
        return await self._storage.refusal(state.owner, max(new.bytes - replaced, 0))

    async def FindCheckpoint(
        self, request: pb.FindCheckpointRequest, context: Any
    ) -> pb.Checkpoint:
        own = await self._fenced(request.ref)
        wanted = _saved_by(own, request.session)
        other = await self._sessions.get(wanted) if wanted != own.name else own
        reader = self._directory.speaker(own.owner)
        is_seen = may(reader, Need.SEE, other.owner)
        if not other.name or other.removed or not is_seen:
            raise NotFound(f"There is no session {request.session}.")
        if request.before:
            return checkpoints.find_before(other, request.before)
        return checkpoints.find(other, request.checkpoint)

    async def End(self, request: pb.EndRequest, context: Any) -> pb.EndReply:
        said = partial(decide.end, outcome=request.outcome, stopped=request.stopped)
        after = await self._decide(request.ref, said)
        if reason := gangs.why_it_ends(after):  # the others of its gang follow
            await self._orders.tell(after.name, stop_order(reason))
        return pb.EndReply()

    async def Answer(self, request: pb.AnswerRequest, context: Any) -> pb.AnswerReply:
        await self._fenced(request.ref)
        await self._terminals.answer(request)
        return pb.AnswerReply()

    async def Attach(
        self, request_iterator: AsyncIterator[pb.AttachInput], context: Any
    ) -> AsyncIterator[pb.ShellInput]:
        first = await anext(request_iterator, pb.AttachInput())
        await self._fenced(first.to.ref)
        outputs = (word.output async for word in request_iterator)
        async for word in self._terminals.attach(first.to, outputs):
            yield word

    async def Link(
        self, request_iterator: AsyncIterator[Frame], context: Any
    ) -> AsyncIterator[Order]:
        caller = current().caller
        ref = AttemptRef(name=caller.name, attempt=caller.attempt, rank=caller.rank)
        async with self._orders.listening(ref.name) as orders:
            try:
                state = await self._fenced(ref)
            except Superseded as error:
                yield Order(superseded=pb.Superseded(reason=error.sentence))
                return
            if reason := gangs.why_it_ends(state):
                yield stop_order(reason)
            receiving = asyncio.create_task(self._receive(ref, request_iterator, orders))
            try:
                async for order in _until(receiving, orders):
                    if not order.HasField("rank") or order.rank == ref.rank:
                        yield order
            finally:
                receiving.cancel()
                await asyncio.gather(receiving, return_exceptions=True)

    async def _receive(
        self,
        ref: AttemptRef,
        frames: AsyncIterator[Frame],
        orders: "asyncio.Queue[Order]",
    ) -> None:
        """Take frames as fast as they come; each is acknowledged when it is in the tables."""
        taken: asyncio.Queue[Taken | None] = asyncio.Queue()
        following = 1
        acknowledging = asyncio.create_task(self._acknowledge(taken, orders))
        try:
            async for frame in frames:
                frame.ref.CopyFrom(ref)  # whatever it says, it speaks for the token's attempt
                if not 0 < frame.number <= NUMBER_MAX:
                    raise Invalid("Frames are numbered from 1.")
                if frame.number > following:
                    await self._check_missed(frame)
                following = max(following, frame.number + 1)
                taken.put_nowait((frame, await self._frames.take(frame)))
                self._ears.heard.note(ref)
                self._ears.told.taken(frame)
                for each in self._ears.attentive:
                    each.hear(frame)
            taken.put_nowait(None)
            await acknowledging
        finally:
            acknowledging.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await acknowledging
            if self._ears.is_shared:  # the runner may be heard at another replica next
                for each in self._ears.attentive:
                    each.forget(ref.name)

    async def _acknowledge(
        self, taken: "asyncio.Queue[Taken | None]", orders: "asyncio.Queue[Order]"
    ) -> None:
        while (item := await taken.get()) is not None:
            frame, committed = item
            await committed
            orders.put_nowait(Order(acknowledged=frame.number))
            await self._ears.told.committed(frame)

    async def _check_missed(self, frame: Frame) -> None:
        """Refuse a frame before which others are missing: they would be acknowledged with it.

        Only once: those that a runner does not have any more will not come.
        """
        missed = (frame.ref.name, *place(frame))
        newest = await self._frames.newest(frame.ref.name, frame.ref.attempt, frame.ref.rank)
        if frame.number > newest + 1 and missed not in self._missed:
            self._missed.add(missed)
            raise Unavailable(f"Frame {frame.number} came, and {newest + 1} did not: begin there.")
        self._missed.discard(missed)

    async def _decide(self, ref: AttemptRef, said: Callable[..., list[Message]]) -> Session:
        """Decide on what a runner of an attempt says; return the state afterwards."""
        _check(ref)
        decision = partial(said, attempt=ref.attempt, rank=ref.rank)
        after = await self._sessions.decide(ref.name, current().context(), decision)
        self._ears.heard.note(ref)
        return after

    async def _fenced(self, ref: AttemptRef) -> Session:
        _check(ref)
        state = await self._sessions.get(ref.name)
        decide.check_attempt(state, ref.attempt, ref.rank)
        self._ears.heard.note(ref)
        return state


async def _until(
    receiving: "asyncio.Task[None]", orders: "asyncio.Queue[Order]"
) -> AsyncIterator[Order]:
    """Yield orders until the runner has said its last word and every word is acknowledged."""
    while True:
        waiting = asyncio.create_task(orders.get())
        try:
            await asyncio.wait({waiting, receiving}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                yield waiting.result()
                continue
        finally:
            waiting.cancel()
        while not orders.empty():
            yield orders.get_nowait()
        receiving.result()
        return


def _saved_by(own: Session, wanted: str) -> str:
    """Return whose checkpoints are meant: what does not train has those of its source."""
    source = own.spec.purpose.source
    return source if source and wanted in {"", own.name} else wanted or own.name


def stop_order(reason: str) -> Order:
    """Return the order to end the user's code, politely first."""
    return Order(stop=pb.StopOrder(reason=reason, grace_seconds=_GRACE_SECONDS))


def _check(ref: AttemptRef) -> None:
    caller: Caller = current().caller
    spoken_for = Caller(caller.kind, ref.name, ref.attempt, rank=ref.rank)
    if caller != spoken_for:
        raise NotPermitted(f"This token speaks for {caller}, not for {spoken_for}.")
