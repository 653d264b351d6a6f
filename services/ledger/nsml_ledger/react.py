"""What the ledger does when something happens in a session: it settles what has ended."""

from functools import partial

from nsml_core.caller import Caller
from nsml_core.calls import reaction
from nsml_core.entry import Recorded
from nsml_core.lead import Lead
from nsml_core.log import Log
from nsml_core.store import Store
from nsml_core.tasks import Tasks
from nsml_core.telemetry import Message
from nsml_ledger import decide
from nsml_ledger.state import METER
from nsml_protos.ledger_pb2 import Book, Meter

ME = Caller("service", "ledger")


class Reactions:
    """Keeps the meters of live sessions, and settles each attempt when it ends."""

    def __init__(self, books: Store[Book], log: Log, low: int, lead: Lead) -> None:
        self._lead = lead
        self._books = books
        self._log = log
        self._low = low
        self._meters: dict[str, Meter] = {}
        self._tasks = Tasks()

    def resume(self, meters: list[Meter]) -> None:
        """Know again after a restart who lives."""
        self._meters.update((meter.session, meter) for meter in meters)

    async def seen(self, entries: list[Recorded]) -> None:
        """Learn of what happened."""
        for entry in entries:
            if entry.subject.startswith("nsml.session."):
                self._session_changed(entry)

    def _session_changed(self, entry: Recorded) -> None:
        key = METER.key(entry.subject)
        # One event at a time: what ended one attempt may have begun the next in the same entry.
        for event in entry.events:
            if not isinstance(event, METER.events):
                continue
            meter = METER.fold(self._meters.pop(key, Meter()), [(event, entry.time)])
            if not meter.HasField("ended"):
                self._meters[key] = meter
            elif self._lead.is_here:  # whoever leads next settles what is left
                self._tasks.start(partial(self.settle, meter, entry.message))

    def running(self) -> list[Meter]:
        """Return the meters of the sessions whose code runs."""
        return [meter for meter in self._meters.values() if meter.HasField("started")]

    def lives(self, session: str, attempt: int) -> bool:
        """Is this an attempt that waits or runs, as far as has been seen here?"""
        meter = self._meters.get(session)
        return meter is not None and meter.attempt == attempt

    async def ended(self, session: str, attempt: int) -> tuple[Meter, Message] | None:
        """Return the meter of an attempt that the log says has ended, and the entry's message."""
        meter = Meter()
        for record in await self._log.read(METER.subject(session)):
            entry = record.decode()
            for event in entry.events:
                if isinstance(event, METER.events):
                    meter = METER.fold(meter, [(event, entry.time)])
                if meter.attempt == attempt and meter.HasField("ended"):
                    return meter, entry.message
        return None

    async def settle(self, meter: Meter, cause: Message) -> None:
        """Charge what is left to charge for an attempt that has ended, and close its hold."""
        with reaction("settle", ME, cause) as call:
            await self._books.decide(
                meter.owner, call.context(), lambda state: decide.settle(state, meter, self._low)
            )

    async def close(self) -> None:
        """Let what was begun come to its end."""
        await self._tasks.close()
