"""What a session has cost its owner so far: what the book says, and what has run since."""

from collections.abc import Iterable
from datetime import datetime

from nsml_core.errors import NotFound, NotPermitted
from nsml_protos.ledger_pb2 import StatementLine
from nsml_protos.session_pb2 import Session, Status
from nsml_web import look
from nsml_web.visit import Visit

_ATTEMPTS_MAX = 500
"""Of its owner, among which those of a session are looked for."""


async def spent(visit: Visit, one: Session) -> int | None:
    """Return what a session has cost, in the ledger's unit; None to who may not see the book."""
    try:
        lines = await visit.client.credit.history(one.owner, limit=_ATTEMPTS_MAX, by_attempt=True)
    except (NotFound, NotPermitted):
        return None
    return so_far([line for line in lines if line.session == one.name], one, look.now())


def so_far(lines: Iterable[StatementLine], one: Session, now: datetime) -> int:
    """Return what was charged for each attempt, and what the one that runs has used up since."""
    total = 0
    for line in lines:
        total += line.amount if line.event == "Charged" else 0
        tried = one.attempts[-1] if one.attempts else None
        if tried and one.status == Status.RUNNING and line.attempt == tried.number:
            began = line.ended if line.event == "Charged" else tried.started
            start = look.moment(began)
            seconds = (now - start).total_seconds() if start else 0.0
            total += int(line.rate * max(seconds, 0.0))
    return total
