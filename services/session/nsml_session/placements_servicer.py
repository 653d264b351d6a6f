"""The gRPC face for the scheduler."""

from functools import partial
from typing import Any

from google.protobuf.message import Message

from nsml_core.calls import current
from nsml_core.store import Store
from nsml_protos import session_pb2 as pb
from nsml_protos.gangs import members
from nsml_protos.session_pb2 import Session
from nsml_protos.session_pb2_grpc import PlacementsServicer
from nsml_session import decide, gangs
from nsml_session.attempts_servicer import stop_order
from nsml_session.heard import Heard
from nsml_session.loss import lose
from nsml_session.orders import Orders
from nsml_session.requeue import preempt
from nsml_session.rooms import Rooms, devices_of


class Placements(PlacementsServicer):
    """Records what the scheduler found."""

    def __init__(
        self, sessions: Store[Session], heard: Heard, rooms: Rooms, orders: Orders
    ) -> None:
        self._sessions = sessions
        self._orders = orders
        self._rooms = rooms
        self._heard = heard

    async def Place(self, request: pb.PlaceRequest, context: Any) -> pb.PlaceReply:
        asked = partial(
            decide.place,
            attempt=request.attempt,
            room=members(request),
            because=request.because,
        )
        async with self._rooms.giving(request.name, devices_of(request)) as check:

            def decision(state: Session) -> list[Message]:
                check()
                return asked(state)

            state = await self._sessions.decide(request.name, current().context(), decision)
        return pb.PlaceReply(session=state)

    async def Wait(self, request: pb.WaitRequest, context: Any) -> pb.WaitReply:
        waiting = pb.Waiting(
            reason=request.reason,
            position=request.position,
            queue_length=request.queue_length,
            holders=request.holders,
            estimate=request.estimate if request.HasField("estimate") else None,
        )
        await self._sessions.decide(
            request.name, current().context(), lambda state: decide.wait(state, waiting)
        )
        return pb.WaitReply()

    async def Preempt(self, request: pb.PreemptRequest, context: Any) -> pb.PreemptReply:
        asked = partial(
            preempt,
            attempt=request.attempt,
            reason=request.reason,
            actor=str(current().caller),
        )
        after = await self._sessions.decide(request.name, current().context(), asked)
        await self._orders.tell(request.name, stop_order(after.stop_reason))
        return pb.PreemptReply(session=after)

    async def Lose(self, request: pb.LoseRequest, context: Any) -> pb.LoseReply:
        last_seen = await self._heard.last(request.name, request.attempt, request.rank)
        lost = partial(
            lose,
            attempt=request.attempt,
            rank=request.rank,
            reason=request.reason,
            last_seen=last_seen,
            unheard=request.unheard,
        )
        after = await self._sessions.decide(request.name, current().context(), lost)
        if reason := gangs.why_it_ends(after):  # the others of its gang follow
            await self._orders.tell(request.name, stop_order(reason))
        return pb.LoseReply()
