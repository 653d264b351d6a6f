"""What operators see of the ledger: how much is charged."""

from nsml_core.entry import Recorded
from nsml_core.telemetry import Counter
from nsml_ledger.rates import CREDIT
from nsml_protos.ledger_pb2 import Charged

_CHARGED = Counter("nsml.ledger.charged", "{credit}", "Credits that sessions were charged.")


async def seen(entries: list[Recorded]) -> None:
    """Count what happened."""
    for entry in entries:
        for event in entry.events:
            if isinstance(event, Charged):
                _CHARGED.add(event.amount / CREDIT)
