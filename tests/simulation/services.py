"""The five services as simulated processes: the product's own wiring on a simulated floor."""

from __future__ import annotations

import asyncio
import importlib
import logging
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from nsml_core.caller import Caller
from nsml_core.directory import Directory
from nsml_core.entry import Record
from nsml_core.errors import Unavailable
from nsml_core.floor import Floor
from nsml_core.lead import Lead
from nsml_core.settings import read
from nsml_dataset.contestant import pending
from nsml_ledger.allowance import next_grant
from nsml_protos.board_pb2 import Contestant
from nsml_protos.ledger_pb2 import Book, Meter
from nsml_protos.scheduler_pb2 import Node, Policy, Stints, Work
from nsml_protos.session_pb2 import Session
from nsml_scheduler.kept import total
from nsml_scheduler.stints import until
from nsml_session.state import LIVE
from tests.simulation.clock import Clock
from tests.simulation.frames import Frames
from tests.simulation.loop import Process
from tests.simulation.network import Server
from tests.simulation.stream import SimulatedLog
from tests.simulation.views import SimulatedView
from tests.simulation.world import world

_RESTART_SECONDS = 1.0
_SETTINGS = read({"NSML_HOME": "/nowhere"})
_SECRET = b"simulated, and long enough to sign"


def start(name: str) -> None:
    """Start a service; whatever ends it, it is started again, as the supervisor does."""
    here = world()
    process = Process(f"service:{name}")
    server = here.network.servers[name] = Server(process)
    process.start(here.loop, _live(name, server))


async def _live(name: str, server: Server) -> None:
    here = world()
    try:
        await _serve(name, server)
    except Unavailable:  # while it started: the supervisor tries again
        kill(name)
    except Exception as error:  # noqa: BLE001 - the edge of the simulated process
        here.loop.faults.append(f"fault: the {name} service died: {error!r}")


async def _serve(name: str, server: Server) -> None:
    here = world()
    log = SimulatedLog(here.stream, here.chance)
    schema = importlib.import_module(f"nsml_{name}.views").SCHEMA
    view = SimulatedView(schema, log, here.databases[name], here.chance)
    await view.catch_up()
    clients: Any = SimpleNamespace(
        channel=lambda service: here.network.channel(service, Caller("service", name))
    )
    none: Any = None
    people, stop, lead = Directory(), asyncio.Event(), Lead(view, None)
    floor = Floor(name, _SETTINGS, _SECRET, log, none, view, clients, people, stop, lead)
    async with importlib.import_module(f"nsml_{name}.service").lifespan(floor) as faces:
        for face in faces:
            for method in face.descriptor.methods:
                path = f"/{face.descriptor.full_name}/{method.name}"
                server.methods[path] = getattr(face.servicer, method.name)
        here.views[name] = view
        await asyncio.gather(*(work() for work in (view.run, lead.run, *floor.beside)))


def kill(name: str) -> None:
    """Kill a service; it comes back after a moment, with what its view had on disk."""
    process = world().network.servers[name].process
    if not process.dead:
        process.kill()
        world().loop.call_later(_RESTART_SECONDS, start, name)


class Nobodys:
    """Stands where tables are that do not follow from the log: passwords and their like."""

    def __init__(self, *_: Any) -> None:
        pass

    async def open(self) -> None:
        """Nothing is there."""

    async def hide(self, dataset: str, revision: Any) -> None:
        """Nothing is kept apart."""

    async def check(self, ids: Sequence[bytes]) -> None:
        """Everybody may read everything."""


class Blobs:
    """Stands where content is stored: every tree is there."""

    def __init__(self, url: str, folder: Path, *, is_shared: bool) -> None:
        pass

    def commit(self, tree: str) -> Any:
        return SimpleNamespace(id=tree, files=1, bytes=1)

    def close(self) -> None:
        """Nothing is open."""


async def _live_meters(view: SimulatedView) -> list[Meter]:
    return [one for one in view.states("meter") if not one.HasField("ended")]


async def _meters_of(view: SimulatedView, sessions: list[str]) -> dict[str, Meter]:
    return {one.session: one for one in view.states("meter") if one.session in sessions}


async def _books_with_holds(view: SimulatedView) -> list[Book]:
    return [one for one in view.states("book") if one.holds]


async def _owners_due(view: SimulatedView, now: datetime) -> list[str]:
    dues = ((one.owner, next_grant(one.allowance)) for one in view.states("book"))
    return [owner for owner, due in dues if due is not None and due <= now]


async def _live_works(view: SimulatedView) -> list[Work]:
    return view.states("work")


async def _known_nodes(view: SimulatedView) -> list[Node]:
    return view.states("node")


@asynccontextmanager
async def _sole(_name: str, _settings: object) -> AsyncIterator[Any]:
    yield SimpleNamespace(keep=asyncio.Event().wait)


async def _known_policy(view: SimulatedView) -> Policy:
    return next(iter(view.states("policy")), Policy())


async def _recent_stints(view: SimulatedView, since: datetime) -> list[Stints]:
    return [one for one in view.states("stints") if until(one) > since.replace(tzinfo=None)]


async def _kept_by(view: SimulatedView, owner: str) -> int:
    stored = [*view.states("kept_data"), *view.states("kept_by_sessions")]
    return sum(total(one) for one in stored if one.owner == owner)


async def _newest_number(view: SimulatedView, owner: str, dataset: str) -> int:
    await asyncio.sleep(0.001)
    names = [one.name.split("/") for one in view.states("session")]
    return max((int(name[2]) for name in names if name[:2] == [owner, dataset]), default=0)


async def _find_request(view: SimulatedView, owner: str, key: str) -> str | None:
    await asyncio.sleep(0.001)
    for one in view.states("session"):
        if (one.owner, one.request_key) == (owner, key):
            return str(one.name)
    return None


async def _live_sessions(view: SimulatedView) -> list[Session]:
    return [one for one in view.states("session") if one.status in LIVE]


async def _contestants_by(view: SimulatedView, owner: str) -> list[Contestant]:
    return [one for one in view.states("contestant") if one.owner == owner]


async def _contestants_pending(view: SimulatedView) -> list[Contestant]:
    return [one for one in view.states("contestant") if pending([one])]


async def _owed(_teller: object, _since: datetime, _end: int) -> list[object]:
    return []  # nobody is told anything


async def _history(view: SimulatedView, subjects: Sequence[str], after: int = 0) -> list[Record]:
    await asyncio.sleep(0.001)
    return view.archived(subjects, after)


def _engine(_settings: object) -> Any:
    return world().engine


_SIMULATED: dict[str, object] = {
    "nsml_core.calls.datetime": Clock,
    "nsml_core.calls.uuid": SimpleNamespace(
        uuid4=lambda: uuid.UUID(int=world().chance.dice.getrandbits(128))
    ),
    "nsml_ledger.watch.datetime": Clock,
    "nsml_ledger.watch._TICK_SECONDS": 3.0,
    "nsml_ledger.watch.books_with_holds": _books_with_holds,
    "nsml_ledger.watch.meters_of": _meters_of,
    "nsml_ledger.watch.owners_due": _owners_due,
    "nsml_ledger.rates.HOLD_SECONDS": 20,
    "nsml_ledger.rates.EXTEND_SECONDS": 6,
    "nsml_ledger.service.live_meters": _live_meters,
    "nsml_scheduler.watch._WATCH_SECONDS": 3.0,
    "nsml_scheduler.waits.time": SimpleNamespace(
        monotonic=lambda: 0.0, time=lambda: Clock.now(UTC).timestamp()
    ),
    "nsml_scheduler.waits._TELL_SECONDS": 5.0,
    "nsml_scheduler.react.time": SimpleNamespace(
        monotonic=lambda: 0.0, time=lambda: Clock.now(UTC).timestamp()
    ),
    "nsml_scheduler.servicer.time": SimpleNamespace(time=lambda: Clock.now(UTC).timestamp()),
    "nsml_scheduler.service.datetime": Clock,
    "nsml_scheduler.service.sole": _sole,
    "nsml_scheduler.service.known_policy": _known_policy,
    "nsml_scheduler.service.recent_stints": _recent_stints,
    "nsml_scheduler.service.kept_by": _kept_by,
    "nsml_scheduler.service.LocalEngine": _engine,
    "nsml_scheduler.service.live_works": _live_works,
    "nsml_scheduler.service.known_nodes": _known_nodes,
    "nsml_session.names.newest_number": _newest_number,
    "nsml_session.names.find_request": _find_request,
    "nsml_session.past.history": _history,
    "nsml_core.teller.Teller._owed": _owed,
    "nsml_session.heard.datetime": Clock,
    "nsml_core.teller.datetime": Clock,
    "nsml_session.service.live_sessions": _live_sessions,
    "nsml_session.zombies.datetime": Clock,
    "nsml_session.service.Frames": Frames,
    "nsml_dataset.judging.contestants_by": _contestants_by,
    "nsml_dataset.settling.contestants_pending": _contestants_pending,
    "nsml_dataset.settling.datetime": Clock,
    "nsml_dataset.service.blob_store": SimpleNamespace(Store=Blobs),
    "nsml_identity.servicer.auth": SimpleNamespace(issue=lambda _secret, _caller: "token"),
    "nsml_identity.service.People": Nobodys,
    "nsml_identity.service.UnderWay": Nobodys,
    "nsml_dataset.service.Failures": Nobodys,
    "nsml_dataset.service.Hidden": Nobodys,
    "nsml_dataset.servicer.parse_tree_id": str.encode,
    "nsml_identity.service.local_user": lambda: "root",
    "nsml_identity.service._write_private": lambda _path, _text: None,
}
"""What is simulated of the services' surroundings: clocks, queries, devices, content."""


class Faults(logging.Handler):
    """Hears what nobody expected, which services only log."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        world().loop.faults.append(f"fault: {record.name}: {record.getMessage()}: {error!r}")


@contextmanager
def surroundings() -> Iterator[None]:
    """Put simulated surroundings in the place of the real ones."""
    with ExitStack() as stack:
        stack.enter_context(_faults_heard())
        for target, stand_in in _SIMULATED.items():
            stack.enter_context(patch(target, stand_in))
        yield


@contextmanager
def _faults_heard() -> Iterator[None]:
    logger = logging.getLogger("nsml")
    before, handler = (logger.level, logger.propagate), Faults()
    logger.addHandler(handler)
    logger.setLevel(logging.ERROR)
    logger.propagate = False
    try:
        yield
    finally:
        logger.level, logger.propagate = before
        logger.removeHandler(handler)
