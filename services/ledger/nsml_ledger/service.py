"""The ledger service, wired."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from nsml_core import notify, telemetry
from nsml_core.notifier import Notifier
from nsml_core.serve import Face, Floor
from nsml_core.store import Store
from nsml_core.teller import Teller
from nsml_ledger import instruments, policy
from nsml_ledger.notices import TOPIC, say
from nsml_ledger.react import Reactions
from nsml_ledger.servicer import Ledger
from nsml_ledger.state import BOOK
from nsml_ledger.views import BOOKS, live_meters
from nsml_ledger.watch import Watch
from nsml_protos import ledger_pb2
from nsml_protos.ledger_pb2_grpc import add_LedgerServicer_to_server
from nsml_protos.session_pb2_grpc import SessionsStub


@asynccontextmanager
async def lifespan(floor: Floor) -> AsyncIterator[Sequence[Face]]:
    """Serve the ledger, and settle what happens in the sessions."""
    prices = policy.read()
    books = Store(floor.log, BOOK, floor.view.snapshots(BOOKS))
    reactions = Reactions(books, floor.log, prices.low, floor.lead)
    notifier = Notifier(notify.channels(os.environ))
    teller = Teller(TOPIC, books, floor, notifier, say)
    floor.view.after(reactions.seen)
    if telemetry.is_on():
        floor.lead.after(instruments.seen)
    reactions.resume(await floor.view.read(live_meters))
    sessions = SessionsStub(floor.clients.channel("session"))
    floor.lead.beside(Watch(books, floor.view, reactions, sessions, prices).run)
    yield [
        Face(
            ledger_pb2.DESCRIPTOR.services_by_name["Ledger"],
            add_LedgerServicer_to_server,
            Ledger(books, floor.view, reactions, prices),
        )
    ]
    await reactions.close()
    await teller.close()
