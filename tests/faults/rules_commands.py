"""Commands: what was acknowledged is there, what was refused is not, and nothing is there twice."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from nsml_core.entry import Recorded
from nsml_protos import dataset_pb2, ledger_pb2, session_pb2
from tests.faults.history import Command, History, Kind, Outcome, Violation


@dataclass(frozen=True, slots=True)
class Effect:
    """What a command did, as the log has it."""

    sequence: int
    target: str


Place = tuple[Kind, str]


def acknowledged_are_there_once(history: History) -> Iterator[Violation]:
    """Acknowledged commands took effect once, refused ones never, the unknown once at most."""
    effects: defaultdict[Place, list[Effect]] = defaultdict(list)
    for entry, event in history.events():
        place = _place(entry, event)
        if place is not None:
            effects[place].append(Effect(entry.sequence, _target(entry, event)))
    for command in history.commands:
        found = effects[_known_as(command)]
        yield from _judge(command, found)


def _known_as(command: Command) -> Place:
    kind = Kind.RUN if command.kind is Kind.FORK else command.kind
    return (kind, command.key)


_KEYS: dict[type[Message], tuple[Kind, Callable[[Recorded, Any], str]]] = {
    session_pb2.Requested: (Kind.RUN, lambda _, event: event.request_key),
    session_pb2.Resumed: (Kind.RESUME, lambda _, event: event.request_key),
    session_pb2.StopRequested: (Kind.STOP, lambda _, event: event.reason),
    session_pb2.MemoChanged: (Kind.MEMO, lambda _, event: event.memo),
    session_pb2.CheckpointRemoved: (Kind.FORGET, lambda entry, _: entry.entry.request_id),
    dataset_pb2.Pushed: (Kind.PUSH, lambda _, event: event.revision.message),
    ledger_pb2.Granted: (Kind.GRANT, lambda _, event: event.key),
}


def _place(entry: Recorded, event: Message) -> Place | None:
    """Return as what command an event is known; its key is empty where nobody chose one."""
    if type(event) not in _KEYS:
        return None
    kind, key = _KEYS[type(event)]
    return (kind, key(entry, event))


def _target(entry: Recorded, event: object) -> str:
    if isinstance(event, session_pb2.Requested) and event.HasField("parent"):
        return event.parent.session
    if isinstance(event, session_pb2.Requested):
        return ""
    return entry.subject.split(".", 2)[2].replace(".", "/")


def _judge(command: Command, found: list[Effect]) -> Iterator[Violation]:
    rule, where = "commands", f"{command.kind} {command.key} by {command.client}"
    if len(found) > 1:
        places = ", ".join(str(effect.sequence) for effect in found)
        yield Violation(rule, where, f"it took effect {len(found)} times: entries {places}")
    if command.outcome is Outcome.ACKNOWLEDGED and not found and _must_act(command):
        yield Violation(rule, where, "it was acknowledged and is not in the log")
    if command.outcome is Outcome.REFUSED and found:
        yield Violation(rule, where, "it was refused and is in the log", found[0].sequence)
    for effect in found:
        if effect.target != command.target:
            what = f"it was asked of {command.target!r} and done to {effect.target!r}"
            yield Violation(rule, where, what, effect.sequence)


def _must_act(command: Command) -> bool:
    """Whether it had something to do: who stops what is stopping or has ended finds it done."""
    return command.kind is not Kind.STOP or command.reply == command.key
