"""The session service as a runner speaks to it: as patient as a training run is long."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import grpc.aio
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from nsml_core.errors import Error, Exhausted, Superseded, Unauthenticated, Unavailable
from nsml_core.status import from_grpc
from nsml_protos import session_pb2, session_pb2_grpc

AWAY = (Unavailable, Exhausted, Unauthenticated)
"""What may be better later: also a token that is no good all at once, for the fault is not ours."""

LONGEST_PAUSE_SECONDS = 5.0
LONG_SECONDS = 30.0

Answer = TypeVar("Answer")
FrameCall = grpc.aio.StreamStreamCall[bytes, session_pb2.Order]
ShellCall = grpc.aio.StreamStreamCall[session_pb2.AttachInput, session_pb2.ShellInput]


async def patiently(
    call: Callable[[], Awaitable[Answer]],
    away: tuple[type[Error], ...] = AWAY,
    waits: Callable[[Error], None] = lambda _: None,
) -> Answer:
    """Ask until there is an answer; a refusal is raised as one of the platform's errors.

    Who waits for long is told what for, each time that it was asked in vain.
    """

    async def once() -> Answer:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            raise from_grpc(error) from None

    def tell(tried: RetryCallState) -> None:
        error = tried.outcome.exception() if tried.outcome else None
        if isinstance(error, Error) and (tried.seconds_since_start or 0) >= LONG_SECONDS:
            waits(error)

    retrying = AsyncRetrying(
        retry=retry_if_exception_type(away),
        wait=wait_random_exponential(0.1, LONGEST_PAUSE_SECONDS),
        reraise=True,
        before_sleep=tell,
    )
    return await retrying(once)


async def fenced(
    call: Callable[[], Awaitable[Answer]], away: tuple[type[Error], ...] = AWAY
) -> Answer:
    """Ask what only the current attempt may: whoever is refused is not the current one."""
    try:
        return await patiently(call, away)
    except Error as refusal:
        raise Superseded(refusal.sentence) from None


def _as_it_is(frame: bytes) -> bytes:
    return frame


class Attempts:
    """The calls of one attempt, each repeated until the platform has answered."""

    def __init__(self, channel: grpc.aio.Channel, ref: session_pb2.AttemptRef) -> None:
        self._stub: Any = session_pb2_grpc.AttemptsStub(channel)
        self.session = ref.name
        self.rank = ref.rank
        self._ref = ref
        # The spool holds frames as bytes; parsing them to write them out again would be waste.
        self._link = channel.stream_stream(
            "/nsml.Attempts/Link",
            request_serializer=_as_it_is,
            response_deserializer=session_pb2.Order.FromString,
        )

    async def begin(self) -> session_pb2.Assignment:
        return await fenced(lambda: self._stub.Begin(self._ref), (Unavailable, Exhausted))

    async def start(self, environment: str, packages: Sequence[str], python: str) -> None:
        request = session_pb2.StartRequest(
            ref=self._ref, environment=environment, packages=packages, python=python
        )
        await patiently(lambda: self._stub.Start(request))

    async def meet(self, ready: session_pb2.MemberReady) -> session_pb2.MeetReply:
        """Say that this member is ready; the answer comes with the others, or after a moment."""
        request = session_pb2.MeetRequest(ref=self._ref, ready=ready)
        return await fenced(lambda: self._stub.Meet(request))

    async def save_checkpoint(self, checkpoint: session_pb2.Checkpoint) -> None:
        request = session_pb2.SaveCheckpointRequest(ref=self._ref, checkpoint=checkpoint)
        reply = await patiently(lambda: self._stub.SaveCheckpoint(request))
        if reply.refused:
            raise Exhausted(reply.refused)

    async def find_checkpoint(
        self, session: str, name: str = "", *, before: str = ""
    ) -> session_pb2.Checkpoint:
        request = session_pb2.FindCheckpointRequest(
            ref=self._ref, session=session, checkpoint=name, before=before
        )
        return await patiently(lambda: self._stub.FindCheckpoint(request))

    async def end(self, outcome: session_pb2.Outcome, *, stopped: bool) -> None:
        request = session_pb2.EndRequest(ref=self._ref, outcome=outcome, stopped=stopped)
        await fenced(lambda: self._stub.End(request))

    async def answer(self, name: str, reply: session_pb2.EvalReply) -> None:
        request = session_pb2.AnswerRequest(ref=self._ref, id=name, reply=reply)
        await patiently(lambda: self._stub.Answer(request))

    async def attach(self, name: str) -> ShellCall:
        """Open the runner's end of a shell."""
        call: ShellCall = self._stub.Attach()
        to = session_pb2.AttachTo(ref=self._ref, id=name)
        await call.write(session_pb2.AttachInput(to=to))
        return call

    def link(self) -> FrameCall:
        return self._link()
