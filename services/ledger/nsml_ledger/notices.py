"""What an owner is told of their book, in plain words."""

from google.protobuf.message import Message

from nsml_core.entry import Recorded
from nsml_core.notify import News
from nsml_core.teller import Topic
from nsml_ledger import decide
from nsml_ledger.rates import CREDIT
from nsml_ledger.state import BOOK
from nsml_protos.ledger_pb2 import LowBalance
from nsml_protos.session_pb2 import Notified

TOPIC = Topic(BOOK, (LowBalance,), Notified, decide.notified)


async def say(entry: Recorded, event: Message) -> News | None:
    """Put an event into words."""
    if not isinstance(event, LowBalance):
        return None
    left, low = event.available / CREDIT, event.threshold / CREDIT
    return News(
        id=f"{event.owner}@{entry.sequence}",
        about="LowBalance",
        owner=event.owner,
        time=entry.time,
        subject=f"[NSML] {event.owner} has little credit left",
        text=(
            f"{left:.2f} credits of {event.owner} are left, less than {low:g}.\n"
            "Running sessions are stopped when none is left."
        ),
        command="nsml credit history",
        facts={"available_gpu_ms": event.available, "sequence": entry.sequence},
    )
