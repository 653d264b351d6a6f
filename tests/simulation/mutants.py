"""The product with one mistake in it, again and again: the simulation has to convict each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from unittest.mock import patch

from google.protobuf.message import Message

from nsml_dataset import decide as dataset
from nsml_ledger import decide as ledger
from nsml_ledger import rates
from nsml_protos.dataset_pb2 import Dataset, Pushed
from nsml_protos.ledger_pb2 import Book, Hold, Released
from nsml_protos.session_pb2 import CheckpointSaved, Completed, Placed, Session
from nsml_scheduler.state import WORK
from nsml_session import decide as session
from nsml_session.state import SESSION


@dataclass(frozen=True)
class Mutant:
    """A mistake: what stands in whose place, and which promises it breaks."""

    name: str
    patches: Mapping[str, object]
    breaks: frozenset[str]
    """What violations begin with; one of them is enough."""


@contextmanager
def in_place(mutant: Mutant) -> Iterator[None]:
    """Let the product make this mistake."""
    with ExitStack() as stack:
        for target, stand_in in mutant.patches.items():
            stack.enter_context(patch(target, stand_in))
        yield


def _nothing(*_: Any, **__: Any) -> None:
    """What was to be done is not."""


async def _not_at_all(*_: Any, **__: Any) -> None:
    """What was to be done is not."""


def _forgets(evolve: Callable[..., None], forgotten: type[Message]) -> Callable[..., None]:
    def forgetful(state: Message, event: Message, time: datetime) -> None:
        if not isinstance(event, forgotten):
            evolve(state, event, time)

    return forgetful


def _double_cost(rate: int, milliseconds: int) -> int:
    return 2 * rate * max(milliseconds, 0) // 1_000


_settle = ledger.settle


def _settle_without_release(*asked: Any) -> list[Message]:
    return [event for event in _settle(*asked) if not isinstance(event, Released)]


def _settle_unbalanced(*asked: Any) -> list[Message]:
    events = _settle(*asked)
    for event in events:
        if isinstance(event, Released):
            del event.postings[-1:]
    return events


def _hold_more_than_there_is(owner: str, hold: Hold, _available: int) -> Message:
    return _held(owner, hold, hold.rate * rates.HOLD_SECONDS)


_held = ledger._held
_resume = session.resume
_place = session.place
_push = dataset.push


def _resume_again(state: Session, **asked: Any) -> list[Message]:
    forgetful = Session()
    forgetful.CopyFrom(state)
    for known in ("resume_key", "earlier_resume_keys"):
        forgetful.ClearField(known)
    return _resume(forgetful, **asked)


def _place_whenever(
    _state: Session, *, attempt: int, room: Sequence[Any], **_: str
) -> list[Message]:
    return [Placed(attempt=attempt, node=room[0].node, devices=room[0].devices)]


def _remember_whatever(
    state: Session, *, attempt: int, checkpoint: Any, rank: int = 0
) -> list[Message]:
    session.check_attempt(state, attempt, rank)
    return [CheckpointSaved(checkpoint=checkpoint)]


def _push_over(state: Dataset, **asked: Any) -> list[Message]:
    events = _push(state, **asked)
    for event in events:
        if isinstance(event, Pushed):
            event.revision.number = len(state.revisions) * (not state.deleted) + 1
    return events


_grant = ledger.grant


def _grant_again(state: Book, **asked: Any) -> list[Message]:
    forgetful = Book()
    forgetful.CopyFrom(state)
    forgetful.ClearField("grant_keys")
    return _grant(forgetful, **asked)


async def _no_earlier(*_: object, **__: object) -> None:
    return None


async def _holds_nothing(*_: object) -> bool:
    return False


_ROOM = frozenset({"room", "devices"})

MUTANTS = (
    Mutant("charges double", {"nsml_ledger.rates.cost": _double_cost}, frozenset({"charges"})),
    Mutant(
        "never gives a hold back",
        {"nsml_ledger.decide.settle": _settle_without_release},
        frozenset({"holds"}),
    ),
    Mutant(
        "loses a posting", {"nsml_ledger.decide.settle": _settle_unbalanced}, frozenset({"balance"})
    ),
    Mutant(
        "holds more than there is",
        {"nsml_ledger.decide._held": _hold_more_than_there_is},
        frozenset({"balance"}),
    ),
    Mutant(
        "ignores the attempt's fence",
        {"nsml_session.decide.check_attempt": _nothing},
        frozenset({"fence", "life"}),
    ),
    Mutant(
        "places on what others hold",
        {
            "nsml_scheduler.cluster._occupy": _nothing,
            "nsml_session.rooms.Rooms._holds": _holds_nothing,
        },
        _ROOM,
    ),
    Mutant(
        "forgets who is placed",
        {
            "nsml_scheduler.cluster.WORK": replace(WORK, evolve=_forgets(WORK.evolve, Placed)),
            "nsml_session.rooms.Rooms._holds": _holds_nothing,
        },
        _ROOM | {"fault", "end"},
    ),
    Mutant(
        "places whom it likes", {"nsml_session.decide.place": _place_whenever}, frozenset({"life"})
    ),
    Mutant(
        "forgets who completed",
        {
            "nsml_session.service.SESSION": replace(
                SESSION, evolve=_forgets(SESSION.evolve, Completed)
            )
        },
        frozenset({"life"}),
    ),
    Mutant(
        "runs a request again",
        {"nsml_session.names.Names.earlier": _no_earlier},
        frozenset({"commands"}),
    ),
    Mutant(
        "grants again with the same key",
        {"nsml_ledger.decide.grant": _grant_again},
        frozenset({"commands"}),
    ),
    Mutant(
        "resumes again with the same key",
        {"nsml_session.decide.resume": _resume_again},
        frozenset({"commands"}),
    ),
    Mutant(
        "saves a checkpoint again",
        {"nsml_session.decide.save_checkpoint": _remember_whatever},
        frozenset({"checkpoints"}),
    ),
    Mutant(
        "gives a revision's number again",
        {"nsml_dataset.decide.push": _push_over},
        frozenset({"revisions"}),
    ),
    Mutant(
        "forgets at a restart whose hold is to be closed",
        {"nsml_ledger.watch.Watch._settle_leftovers": _not_at_all},
        frozenset({"holds"}),
    ),
    Mutant(
        "never looks after the lost",
        {"nsml_scheduler.watch.Watch._lose": _not_at_all},
        frozenset({"end"}),
    ),
)
"""Each with the promises by which it may be convicted."""
