"""One service process from start to end: connect, fold, serve, and leave in order when told to."""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
import grpc.aio
import uvloop
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from nsml_core import (
    auth,
    authority,
    directory,
    lag,
    log,
    secret_files,
    secure,
    settings,
    standby,
    telemetry,
)
from nsml_core.caller import Caller
from nsml_core.calls import current
from nsml_core.care_servicer import Care
from nsml_core.clients import Clients
from nsml_core.database import DAMAGED, UNREACHED, away, connect_pool, damaged
from nsml_core.errors import Error
from nsml_core.floor import Floor
from nsml_core.gate import Gate
from nsml_core.lead import Lead
from nsml_core.listening import OPTIONS, listen
from nsml_core.settings import Settings
from nsml_core.sole import Ended, Lease
from nsml_core.throttle import Throttle
from nsml_core.views import Schema, View
from nsml_protos import care_pb2
from nsml_protos.care_pb2_grpc import add_CareServicer_to_server

__all__ = ["Face", "Floor", "Lifespan", "floor_of", "run", "served"]

_GRACE_SECONDS = 3.0

_COLLECTED_AFTER = 20_000
"""New objects before Python looks for cycles among them: messages and rows, of which views make
many, are in none.
"""

_HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

_log = logging.getLogger("nsml.serve")


@dataclass(frozen=True)
class Face:
    """One gRPC service: its description, and how its servicer is added to a server."""

    descriptor: ServiceDescriptor
    add: Callable[[Any, Any], None]
    servicer: object


Lifespan = Callable[[Floor], AbstractAsyncContextManager[Sequence[Face]]]
"""Builds a service on its floor.

Yields its faces once the view has caught up, and cleans up afterwards.
"""


def run(name: str, schema: Schema, lifespan: Lifespan, *, alone: bool = False) -> None:
    """Be this service until a signal says otherwise.

    Of one that is to be alone, others stand by where services have replicas. The exit status is 0
    only for an orderly end; what it lacks is said in one sentence, with 1.
    """
    _configure_logging(name)
    gc.set_threshold(_COLLECTED_AFTER)
    try:
        uvloop.run(_serve(name, schema, lifespan, alone=alone))
    except Error as error:
        _log.critical("%s", error.sentence)
        sys.exit(1)
    except UNREACHED as error:
        _log.critical("%s", away(error).sentence)
        sys.exit(1)
    except DAMAGED as error:
        _log.critical("%s", damaged(error).sentence)
        sys.exit(1)
    except Ended as ended:
        _log.critical("It leads no more (%s), and stands by when it is started again.", ended)
        sys.exit(1)


async def _serve(name: str, schema: Schema, lifespan: Lifespan, *, alone: bool) -> None:
    os.environ.update(secret_files.read(os.environ))
    config = settings.read()
    telemetry.setup(name, config.otlp_endpoint)
    async with AsyncExitStack() as stack:
        stack.callback(telemetry.close)
        floor = await stack.enter_async_context(floor_of(name, schema, config, alone=alone))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, floor.stop.set)
        beside = await stack.enter_async_context(served(floor, lifespan, alone=alone))
        _log.info("%s serves on %s", name, ", ".join(config.listens(name)))
        stopping = asyncio.create_task(floor.stop.wait())
        await asyncio.wait({stopping, *beside}, return_when=asyncio.FIRST_COMPLETED)
        for task in beside:
            if task.done():
                task.result()
        _log.info("%s stops", name)


@asynccontextmanager
async def served(
    floor: Floor, lifespan: Lifespan, *, alone: bool = False
) -> AsyncIterator[set["asyncio.Task[None]"]]:
    """Serve on a floor while the block runs; yield what runs beside."""
    async with AsyncExitStack() as stack:
        if alone and floor.settings.scales_out and not await standby.wait(floor, stack):
            yield set()  # told to stop before its turn came
            return
        faces = [*await stack.enter_async_context(lifespan(floor)), _care(floor)]
        floor.beside.append(floor.lead.run)
        if telemetry.is_on():
            floor.beside.append(partial(lag.watch, floor.view))
        beside = await stack.enter_async_context(_beside(floor))
        await stack.enter_async_context(_server(floor, faces))
        yield beside


def _lead(view: View, config: Settings, *, alone: bool) -> Lead:
    if alone or not config.scales_out:
        return Lead(view, None)
    name = f"{view.schema.service} reactions"
    return Lead(view, Lease(name, config.postgres_url, config.lease_seconds))


def _care(floor: Floor) -> Face:
    """Return the face that every service has."""
    care = care_pb2.DESCRIPTOR.services_by_name["Care"]
    return Face(care, add_CareServicer_to_server, Care(floor.view))


@asynccontextmanager
async def floor_of(
    name: str, schema: Schema, config: Settings, *, alone: bool = False
) -> AsyncIterator[Floor]:
    """Be connected to everything, with a view that holds all that the log holds now."""
    secure.check_listens(name, config)
    secret = auth.make_secret(config.secret_file)
    settings.make_run_dir(config.home)
    async with AsyncExitStack() as stack:
        connected = await stack.enter_async_context(log.connect(config, name))
        pool = await stack.enter_async_context(connect_pool(config))
        view = View(pool, schema, connected, is_shared=config.scales_out)
        await view.open()
        await view.catch_up()
        clients = Clients(config, auth.issue(secret, Caller("service", name)))
        stack.push_async_callback(clients.close)
        people = await directory.known_now(connected)
        lead = _lead(view, config, alone=alone)
        stop = asyncio.Event()
        yield Floor(name, config, secret, connected, pool, view, clients, people, stop, lead)


@asynccontextmanager
async def _beside(floor: Floor) -> AsyncIterator[set["asyncio.Task[None]"]]:
    people = partial(floor.directory.follow, floor.log)
    works: list[Callable[[], Coroutine[Any, Any, None]]]
    works = [floor.view.run, floor.view.watch, people, *floor.beside]
    tasks = {asyncio.create_task(work()) for work in works}
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _server(floor: Floor, faces: Sequence[Face]) -> AsyncIterator[None]:
    table = authority.rules(face.descriptor for face in faces)
    throttle = Throttle(*floor.settings.limits(floor.name))
    gate = Gate(floor.name, floor.secret, table, floor.view.wait_for, floor.directory, throttle)
    server = grpc.aio.server(interceptors=[gate], options=OPTIONS)
    for face in faces:
        face.add(face.servicer, server)
    health = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    names = [face.descriptor.full_name for face in faces]
    reflection.enable_server_reflection([*names, _HEALTH, reflection.SERVICE_NAME], server)
    listen(server, floor.settings, floor.name)
    await server.start()
    for served in ("", floor.name, *names):
        await health.set(served, health_pb2.HealthCheckResponse.SERVING)
    try:
        yield
    finally:
        await health.enter_graceful_shutdown()
        await server.stop(_GRACE_SECONDS)


class _Formatter(logging.Formatter):
    """One line a record, with the request that it belongs to."""

    def format(self, record: logging.LogRecord) -> str:
        record.request = current().request_id[:8]
        return super().format(record)


def _configure_logging(name: str) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter(f"%(asctime)s %(levelname)s {name} %(request)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("nats").setLevel(logging.WARNING)
