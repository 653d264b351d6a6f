"""The line to the session service: frames go up until they are acknowledged, orders come down."""

import asyncio
from collections.abc import Callable
from typing import assert_never

import grpc.aio

from nsml_core.errors import Superseded
from nsml_core.status import from_grpc
from nsml_protos import session_pb2
from nsml_runner.attempts import AWAY, FrameCall
from nsml_runner.spool import Spool

SHORTEST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0


class Link:
    """Reconnects as long as it runs; raises `Superseded` when this attempt is not wanted."""

    def __init__(
        self,
        open_call: Callable[[], FrameCall],
        spool: Spool,
        visit: Callable[[session_pb2.Order], None] = lambda _: None,
    ) -> None:
        self._open_call = open_call
        self._spool = spool
        self._visit = visit
        self._pause = SHORTEST_PAUSE_SECONDS
        self.stop: asyncio.Future[session_pb2.StopOrder] = (
            asyncio.get_running_loop().create_future()
        )

    async def run(self) -> None:
        while True:
            try:
                await self._converse()
            except* grpc.aio.AioRpcError as errors:
                raise_refusal(errors)
            await asyncio.sleep(self._pause)
            self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)

    async def _converse(self) -> None:
        call = self._open_call()
        try:
            async with asyncio.TaskGroup() as both:
                sending = both.create_task(self._send(call))
                async for order in call:
                    self._obey(order)
                sending.cancel()
        finally:
            call.cancel()

    async def _send(self, call: FrameCall) -> None:
        sent = self._spool.acknowledged
        while True:
            sent = max(sent, self._spool.acknowledged)
            if sent == self._spool.last:
                await self._spool.wait_beyond(sent)
                continue
            sent += 1
            try:
                await call.write(self._spool.read(sent))
            except asyncio.InvalidStateError:
                return  # the call has ended; the reading side learns why

    def _obey(self, order: session_pb2.Order) -> None:
        self._pause = SHORTEST_PAUSE_SECONDS
        match order.WhichOneof("order"):
            case "acknowledged":
                self._spool.acknowledge(order.acknowledged)
            case "stop":
                if not self.stop.done():
                    self.stop.set_result(order.stop)
            case "superseded":
                raise Superseded(order.superseded.reason)
            case "eval" | "shell" | "take_back":
                self._visit(order)
            case None:
                pass  # an order of a newer platform
            case unknown:
                assert_never(unknown)


def raise_refusal(errors: BaseExceptionGroup[grpc.aio.AioRpcError]) -> None:
    """Let errors be that may pass; after any other this attempt may not speak any more."""
    for error in errors.exceptions:
        if isinstance(error, grpc.aio.AioRpcError):
            reason = from_grpc(error)
            if not isinstance(reason, AWAY):
                raise Superseded(reason.sentence)
        else:
            raise_refusal(error)
