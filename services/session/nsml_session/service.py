"""The session service, wired."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from google.protobuf.message import Message

from nsml_core import log_limits, notify, telemetry
from nsml_core.between import Between
from nsml_core.entry import Recorded
from nsml_core.notifier import Notifier
from nsml_core.notify import News
from nsml_core.serve import Face, Floor
from nsml_core.storage import Storage
from nsml_core.store import Store
from nsml_core.teller import Teller
from nsml_core.views import View
from nsml_protos import session_pb2
from nsml_protos import session_pb2_grpc as rpc
from nsml_protos.session_pb2 import Session
from nsml_session import past, zombies
from nsml_session.admission import Admission
from nsml_session.attempts_servicer import Attempts, Ears
from nsml_session.claims import Claims
from nsml_session.frames import Frames
from nsml_session.heard import Heard
from nsml_session.idle import Rules
from nsml_session.instruments import Transitions
from nsml_session.intake import Intake
from nsml_session.live import Hub
from nsml_session.metrics import Metrics
from nsml_session.names import Names
from nsml_session.notices import TOPIC, news
from nsml_session.placements_servicer import Placements
from nsml_session.points import PointTables
from nsml_session.quota import Quota
from nsml_session.react import Falls, Reactions, Slots
from nsml_session.reading import Reader
from nsml_session.records import RecordTable
from nsml_session.rooms import Rooms
from nsml_session.servicer import Sessions
from nsml_session.state import SESSION
from nsml_session.terminals import Terminals
from nsml_session.told import Told
from nsml_session.uses import Uses
from nsml_session.using import Using
from nsml_session.views import SESSIONS, live_sessions


@asynccontextmanager
async def lifespan(floor: Floor) -> AsyncIterator[Sequence[Face]]:
    """Serve people, the scheduler and runners."""
    sessions = Store(floor.log, SESSION, floor.view.snapshots(SESSIONS))
    frames, points, records, quota = await _tables(floor)
    between = Between(floor.log.client, floor.name) if floor.settings.scales_out else None
    told, begun, ended = Told(between), Hub[None](), Hub[None]()
    terminals = Terminals(sessions, between)
    heard = Heard(frames, is_shared=between is not None)
    rules = zombies.rules(os.environ)
    watch = zombies.Zombies(sessions, frames, terminals.orders, rules)
    uses = Uses(frames)
    teller = _teller(floor, sessions, rules)
    forget = (heard.forget, watch.forget, quota.forget, uses.forget, points.fold_soon)
    live = await floor.view.read(live_sessions)
    rooms = Rooms(sessions, live, floor.pool if between else None)
    for seen in (Reactions(begun, ended, forget).seen, rooms.seen):
        floor.view.after(seen)
    floor.lead.after(Falls(sessions, terminals.orders).seen)
    if telemetry.is_on():
        floor.lead.after(Transitions(live).seen)
    using, slots = _using(floor, sessions)
    people = Sessions(
        sessions,
        floor.view,
        using,
        Reader(sessions, frames, uses, told, ended),
        Metrics(points, records, sessions, frames, told, ended),
        terminals,
    )
    floor.beside += [frames.run, points.run, quota.run, watch.watch]
    placements = Placements(sessions, heard, rooms, terminals.orders)
    ears = Ears(told, heard, begun, (watch, uses), is_shared=between is not None)
    attempts = Attempts(sessions, frames, terminals, ears, floor.directory, Storage(floor.clients))
    names = session_pb2.DESCRIPTOR.services_by_name
    yield [
        Face(names["Sessions"], rpc.add_SessionsServicer_to_server, people),
        Face(names["Placements"], rpc.add_PlacementsServicer_to_server, placements),
        Face(names["Attempts"], rpc.add_AttemptsServicer_to_server, attempts),
    ]
    await slots.close()
    await teller.close()


async def _tables(floor: Floor) -> tuple[Frames, PointTables, RecordTable, Quota]:
    points, records = PointTables(floor.pool), RecordTable(floor.pool)
    quota = Quota(floor.pool, log_limits.read().quota)
    frames = Frames(floor.pool, quota, points, records)
    await frames.open()
    return frames, points, records, quota


def _using(floor: Floor, sessions: Store[Session]) -> tuple[Using, Slots]:
    claims = Claims(floor.pool) if floor.settings.scales_out else None
    if claims is not None:
        floor.lead.beside(claims.tidy)
    admission = Admission(floor.clients)
    using = Using(Intake(sessions, admission, Names(floor.view, claims)), admission, floor.clients)
    slots = Slots(sessions, using)
    floor.lead.after(slots.seen)
    return using, slots


def _teller(floor: Floor, sessions: Store[Session], rules: Rules) -> Teller[Session]:
    notifier = Notifier(notify.channels(os.environ))
    return Teller(TOPIC, sessions, floor, notifier, partial(_say, floor.view, rules))


async def _say(view: View, rules: Rules, entry: Recorded, event: Message) -> News | None:
    """Put an event into words, by what its session was then."""
    then, _ = await past.at_entry(view, SESSION.key(entry.subject), entry.sequence)
    return news(then, event, entry.sequence, entry.time, rules)
