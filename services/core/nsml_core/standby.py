"""The second of a service that is to be alone: alive, and not serving until its turn comes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from nsml_core.floor import Floor
from nsml_core.listening import OPTIONS, listen
from nsml_core.sole import Lease

STANDBY = "x-nsml-standby"
"""Goes with the refusal of one who stands by: somebody else serves."""


async def wait(floor: Floor, stack: AsyncExitStack) -> bool:
    """Return true once it is this process's turn, false if it is told to stop before.

    From then on it acts only for as long as nobody else can have its place, and ends then.
    """
    config = floor.settings
    lease = Lease(floor.name, config.postgres_url, config.lease_seconds)
    stack.push_async_callback(lease.close)
    async with _waiting_room(floor):
        turns = [asyncio.create_task(lease.wait()), asyncio.create_task(floor.stop.wait())]
        try:
            await asyncio.wait(turns, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for turn in turns:
                turn.cancel()
            await asyncio.gather(*turns, return_exceptions=True)
    if floor.stop.is_set():
        return False
    keeping = asyncio.create_task(lease.keep())
    stack.callback(keeping.cancel)

    async def keep() -> None:
        await keeping

    floor.log.guard = floor.clients.guard = lease.check
    floor.beside.append(keep)
    await floor.view.catch_up()
    return True


@asynccontextmanager
async def _waiting_room(floor: Floor) -> AsyncIterator[None]:
    """Say where the service would be that this process is there, and that another serves."""
    server = grpc.aio.server(options=OPTIONS)
    health = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    server.add_generic_rpc_handlers((_Elsewhere(floor.name),))
    listen(server, floor.settings, floor.name)
    await server.start()
    await health.set("", health_pb2.HealthCheckResponse.SERVING)
    await health.set(floor.name, health_pb2.HealthCheckResponse.NOT_SERVING)
    try:
        yield
    finally:
        await server.stop(None)


class _Elsewhere(grpc.GenericRpcHandler):
    """Sends everybody to the one who serves."""

    def __init__(self, name: str) -> None:
        self._sentence = f"This {name} stands by: another serves."

    def service(self, handler_call_details: Any) -> Any:  # noqa: ARG002 - whatever it is
        """Return a handler that refuses, whatever is asked."""
        return grpc.unary_unary_rpc_method_handler(self._refuse)

    async def _refuse(self, _request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.UNAVAILABLE, self._sentence, ((STANDBY, "1"),))
