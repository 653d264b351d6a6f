"""Sessions: lives that are possible, devices held by one, the fence, and an end to everything."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from google.protobuf.message import Message

from nsml_core.entry import Recorded
from nsml_protos import session_pb2 as pb
from nsml_protos.gangs import members
from tests.faults.history import History, Violation

ENDINGS = (pb.Completed, pb.Failed, pb.Stopped, pb.Lost, pb.Preempted)
_NUMBERED = (pb.Placed, pb.Started, *ENDINGS)
_SPOKEN = (pb.Started, pb.CheckpointSaved, pb.Completed, pb.Failed)


@dataclass
class Life:
    """What the checker knows of one session; its own fold, so that it shares no mistake."""

    state: str = "none"
    """none, queued, placed, running or ended."""

    attempt: int = 0
    """The newest that was placed."""

    begun: int = 0
    """How often it came into the queue: the number of its next attempt."""

    checkpoints: set[str] = field(default_factory=set)


_ALLOWED: dict[type[Message], set[str]] = {
    pb.Requested: {"none"},
    pb.Resumed: {"ended"},
    pb.Placed: {"queued"},
    pb.Started: {"placed"},
    pb.CheckpointSaved: {"running"},
    pb.Completed: {"running"},
    pb.Failed: {"placed", "running"},
    pb.Stopped: {"queued", "placed", "running"},
    pb.Lost: {"placed", "running"},
    pb.Preempted: {"placed", "running"},
    pb.StopRequested: {"queued", "placed", "running"},
    pb.Removed: {"ended"},
}
_NEXT: dict[type[Message], str] = {
    pb.Requested: "queued",
    pb.Resumed: "queued",
    pb.Placed: "placed",
    pb.Started: "running",
    pb.Completed: "ended",
    pb.Failed: "ended",
    pb.Stopped: "ended",
    pb.Lost: "ended",
    pb.Preempted: "ended",
}


def lives(history: History) -> Iterator[tuple[str, Life, Recorded, Message]]:
    """Yield each event of a session with the session's life just before it."""
    known: dict[str, Life] = {}
    for entry, event in history.events():
        if not entry.subject.startswith("nsml.session."):
            continue
        name = entry.subject.removeprefix("nsml.session.").replace(".", "/")
        life = known.setdefault(name, Life())
        yield name, life, entry, event
        _apply(life, event)


def _apply(life: Life, event: Message) -> None:
    life.state = _NEXT.get(type(event), life.state)
    match event:
        case pb.Requested() | pb.Resumed():
            life.begun += 1
        case pb.Placed():
            life.attempt = event.attempt
        case pb.CheckpointSaved():
            life.checkpoints.add(event.checkpoint.name)
        case pb.CheckpointRemoved():
            life.checkpoints.discard(event.name)
        case _:
            pass


def lives_are_possible(history: History) -> Iterator[Violation]:
    """Every event happens in a state in which it can, and to the attempt that it names."""
    for name, life, entry, event in lives(history):
        word = event.DESCRIPTOR.name
        if life.state not in _ALLOWED.get(type(event), {life.state}):
            yield Violation("life", name, f"{word} while it was {life.state}", entry.sequence)
        if isinstance(event, _NUMBERED) and event.attempt != _expected(life, event):
            what = f"{word} of attempt {event.attempt} while {life.attempt} was the newest"
            yield Violation("life", name, what, entry.sequence)
        if isinstance(event, pb.CheckpointRemoved) and event.name not in life.checkpoints:
            what = f"checkpoint {event.name} was removed, and it had none"
            yield Violation("life", name, what, entry.sequence)


def _expected(life: Life, event: Message) -> int:
    if isinstance(event, pb.Placed):
        return life.begun
    # Who is stopped in the queue has no attempt that could be named.
    return 0 if life.state == "queued" else life.attempt


def devices_held_once(history: History) -> Iterator[Violation]:
    """From `Placed` to the end a device of a node belongs to one session."""
    holders: dict[tuple[str, str], str] = {}
    for name, _, entry, event in lives(history):
        if isinstance(event, pb.Placed):
            room = members(event)
            for place in ((one.node, device) for one in room for device in one.devices):
                other = holders.get(place)
                if other is not None:
                    what = f"device {place[1]} of {place[0]} is {other}'s at that moment"
                    yield Violation("devices", name, what, entry.sequence)
                holders[place] = name
        elif isinstance(event, ENDINGS):
            holders = {place: holder for place, holder in holders.items() if holder != name}


def only_the_current_attempt_speaks(history: History) -> Iterator[Violation]:
    """The fence: what a runner says counts only while its attempt is the newest one, and lives."""
    for name, life, entry, event in lives(history):
        actor = entry.entry.actor
        it = f"runner:{name}#{life.attempt}"  # of a gang, any of its members
        if isinstance(event, _SPOKEN) and actor != it and not actor.startswith(f"{it}."):
            what = f"{event.DESCRIPTOR.name} was said by {actor}"
            yield Violation("fence", name, f"{what} of attempt {life.attempt}", entry.sequence)


def all_have_ended(history: History) -> Iterator[Violation]:
    """Nothing runs and nothing breaks any more: whoever has not ended is stuck."""
    states = {name: life for name, life, _, _ in lives(history)}
    for name, life in states.items():
        if life.state != "ended":
            yield Violation("end", name, f"it is {life.state} for good, and nothing is the cause")
