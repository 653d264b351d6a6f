"""Joins those who reach into a running session with its runner: by questions, and by streams."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from google.protobuf.message import Message

from nsml_core.between import Between
from nsml_core.calls import current
from nsml_core.errors import Invalid, Refused, Unavailable
from nsml_core.store import Store
from nsml_protos import session_pb2 as pb
from nsml_protos.session_pb2 import AttemptRef, Order, Session, ShellInput, ShellOutput
from nsml_session import entering, far
from nsml_session.channel import Channel, fill
from nsml_session.orders import Orders
from nsml_session.state import attempt_number

_TIMEOUT_SECONDS = 60.0
_TIMEOUT_MAX_SECONDS = 86_400.0
_LATE_SECONDS = 10.0
"""A runner that is there says at least that there is no answer, and not later than this."""

_ATTACH_SECONDS = 10.0
_WORDS_MAX = 8
"""Of a stream, in each direction, waiting here for whoever is slower."""


@dataclass
class Question:
    """What was asked of an attempt, and its answer."""

    ref: AttemptRef
    answer: "asyncio.Future[pb.EvalReply]"


@dataclass
class Shell:
    """A program beside an attempt: its two directions."""

    ref: AttemptRef
    inputs: Channel[ShellInput] = field(default_factory=lambda: Channel(_WORDS_MAX))
    outputs: Channel[ShellOutput] = field(default_factory=lambda: Channel(_WORDS_MAX))
    attached: asyncio.Event = field(default_factory=asyncio.Event)


class Terminals:
    """All that is asked, and all that is open."""

    def __init__(self, sessions: Store[Session], between: Between | None) -> None:
        self._sessions = sessions
        self._between = between
        self.orders = Orders(between)
        self._questions: dict[str, Question] = {}
        self._shells: dict[str, Shell] = {}

    async def evaluate(self, state: Session, request: pb.EvalRequest) -> pb.EvalReply:
        """Ask the process of a session; take the question back if nobody waits any more."""
        seconds = request.timeout_seconds or _TIMEOUT_SECONDS
        if not 0 < seconds <= _TIMEOUT_MAX_SECONDS:
            raise Invalid("The time limit is above 0, and at most a day.")
        ref = await self._note(
            state, request.rank, partial(entering.evaluate, code=request.code, now=request.now)
        )
        name = uuid.uuid4().hex
        question = Question(ref, asyncio.get_running_loop().create_future())
        asked = pb.EvalOrder(id=name, code=request.code, now=request.now, timeout_seconds=seconds)
        try:
            async with self._waiting(name, question), asyncio.timeout(seconds + _LATE_SECONDS):
                await self.orders.tell(ref.name, Order(rank=ref.rank, eval=asked))
                return await question.answer
        except TimeoutError:
            raise _away(ref.name) from None
        finally:
            if question.answer.cancelled():
                order = Order(rank=ref.rank, take_back=pb.TakeBack(id=name))
                await self.orders.tell(ref.name, order)

    @asynccontextmanager
    async def _waiting(self, name: str, question: Question) -> AsyncIterator[None]:
        """Wait for an answer, at whichever replica the runner gives it."""
        async with AsyncExitStack() as stack:
            if self._between is not None:
                listening = self._between.listening(f"answers.{name}", self._answered)
                await stack.enter_async_context(listening)
            self._questions[name] = question
            stack.callback(self._questions.pop, name)
            yield

    async def answer(self, request: pb.AnswerRequest) -> None:
        """Take an answer; nobody may wait for it any more."""
        question = self._questions.get(request.id)
        if question is None and self._between is not None:
            await self._between.ask(f"answers.{request.id}", request.SerializeToString())
        elif question and question.ref == request.ref and not question.answer.done():
            question.answer.set_result(request.reply)

    async def _answered(self, word: bytes) -> bytes:
        request = pb.AnswerRequest.FromString(word)
        if request.id in self._questions:
            await self.answer(request)
        return b""

    async def enter(
        self, state: Session, asked: pb.ShellOpen, inputs: AsyncIterator[ShellInput]
    ) -> AsyncIterator[ShellOutput]:
        """Start a program beside a session; yield what it says, until its end is among that."""
        is_terminal = asked.HasField("terminal")
        said = partial(entering.enter, command=asked.command, terminal=is_terminal)
        shell = Shell(await self._note(state, asked.rank, said))
        name = uuid.uuid4().hex
        async with self._reachable(name, shell):
            order = Order(rank=asked.rank, shell=pb.ShellOrder(id=name, open=asked))
            await self.orders.tell(shell.ref.name, order)
            feeding = asyncio.create_task(_feed(shell.inputs, inputs))
            try:
                await _attached(shell)
                async for output in shell.outputs:
                    yield output
                    if output.HasField("ended"):
                        return
                raise Unavailable(
                    f"The runner of {shell.ref.name} went away with what it had open."
                )
            finally:
                feeding.cancel()

    @asynccontextmanager
    async def _reachable(self, name: str, shell: Shell) -> AsyncIterator[None]:
        """Let the runner join, at whichever replica it does."""
        async with AsyncExitStack() as stack:
            if self._between is not None:
                to = pb.AttachTo(ref=shell.ref, id=name)
                ends = (shell.inputs, shell.outputs)
                far_end = far.open_to(self._between, to, *ends, shell.attached)
                await stack.enter_async_context(far_end)
            self._shells[name] = shell
            try:
                yield
            finally:
                del self._shells[name]
                for channel in (shell.inputs, shell.outputs):
                    await channel.close()

    async def attach(
        self, to: pb.AttachTo, outputs: AsyncIterator[ShellOutput]
    ) -> AsyncIterator[ShellInput]:
        """Join a runner's end; it ends when nobody is at the other any more."""
        shell = self._shells.get(to.id)
        if shell is None and self._between is not None:
            async for word in far.attach(self._between, to, outputs):
                yield word
            return
        if shell is None or shell.ref != to.ref or shell.attached.is_set():
            raise Refused("Nobody waits at the other end any more.")
        shell.attached.set()
        taking = asyncio.create_task(fill(shell.outputs, outputs))
        try:
            async for word in shell.inputs:
                yield word
        finally:
            taking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await taking

    async def _note(
        self, state: Session, rank: int, said: Callable[..., list[Message]]
    ) -> AttemptRef:
        """Write down who reaches in, and with what, before it happens."""
        entering.check_runs(state, rank)
        if not await self.orders.is_heard(state.name):
            raise _away(state.name)
        after = await self._sessions.decide(state.name, current().context(), said)
        return AttemptRef(name=state.name, attempt=attempt_number(after), rank=rank)


async def _attached(shell: Shell) -> None:
    try:
        async with asyncio.timeout(_ATTACH_SECONDS):
            await shell.attached.wait()
    except TimeoutError:
        raise _away(shell.ref.name) from None


async def _feed(channel: Channel[ShellInput], words: AsyncIterator[ShellInput]) -> None:
    """Pass on what is typed; that no more will be typed is no end."""
    async for word in words:
        if not await channel.put(word):
            return


def _away(name: str) -> Unavailable:
    return Unavailable(
        f"The runner of {name} does not answer; the session may go on all the same: "
        "try again in some seconds."
    )
