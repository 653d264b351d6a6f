"""What may be asked of a node, and what then happens."""

from google.protobuf.message import Message

from nsml_core.errors import Invalid, NotFound, Refused
from nsml_protos.scheduler_pb2 import (
    Node,
    NodeCordoned,
    NodeDraining,
    NodeJoined,
    NodeLost,
    NodeRemoved,
    NodeReturned,
    NodeUncordoned,
)

_REASON_MAX = 200


def join(state: Node, joined: NodeJoined) -> list[Message]:
    """Make a node known as it is; one that has not changed is no news."""
    if state.identity and state.identity != joined.identity:
        raise Refused(
            f"Another machine has joined as {joined.name}: give this one another name, or remove "
            f"the other for good with `nsml node rm {joined.name}`."
        )
    is_same = _as_joined(state) == joined and not state.removed
    return [] if is_same else [joined]


def _as_joined(state: Node) -> NodeJoined:
    return NodeJoined(
        name=state.name,
        devices=state.devices,
        cpus=state.cpus,
        memory_bytes=state.memory_bytes,
        shm_bytes=state.shm_bytes,
        labels=state.labels,
        zone=state.zone,
        identity=state.identity,
    )


def cordon(state: Node, reason: str) -> list[Message]:
    """Let a node take nothing new; what runs there goes on."""
    _check(state, reason)
    return [] if state.cordoned else [NodeCordoned(reason=reason)]


def drain(state: Node, reason: str, *, at_once: bool) -> list[Message]:
    """Empty a node: as what runs there ends, or now, by preempting it."""
    _check(state, reason)
    is_known = state.draining and (state.drain_now or not at_once)
    return [] if is_known else [NodeDraining(reason=reason, at_once=at_once)]


def uncordon(state: Node) -> list[Message]:
    """Let a node take sessions again."""
    _check(state, "")
    return [NodeUncordoned()] if state.cordoned else []


def lose(state: Node, reason: str) -> list[Message]:
    """Note that a node has not renewed its lease: it takes nothing, and keeps what it holds."""
    is_gone = not state.name or state.removed or state.HasField("lost")
    return [] if is_gone else [NodeLost(reason=reason)]


def find(state: Node) -> list[Message]:
    """Note that a node is heard again."""
    return [NodeReturned()] if state.HasField("lost") else []


def remove(state: Node, reason: str, holders: int) -> list[Message]:
    """Let a node go for good; one that is heard has to be empty."""
    if state.removed:
        return []
    _check(state, reason)
    if not state.HasField("lost") and not state.draining:
        raise Refused(f"{state.name} takes sessions: `nsml node drain {state.name}` empties it.")
    if holders and not state.HasField("lost"):
        sessions = f"{holders} session{'s' * (holders > 1)}"
        raise Refused(
            f"{state.name} holds {sessions} still: wait, or `nsml node drain --now {state.name}`."
        )
    return [NodeRemoved(reason=reason)]


def _check(state: Node, reason: str) -> None:
    if not state.name or state.removed:
        raise NotFound("There is no such node: `nsml node ls` shows those that have joined.")
    if len(reason) > _REASON_MAX or not reason.isprintable():
        raise Invalid(f"A reason has at most {_REASON_MAX} printable characters.")
