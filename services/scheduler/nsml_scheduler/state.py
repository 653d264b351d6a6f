"""What is true of a node and of a live session's claim to room, and how each event changes it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import assert_never

from nsml_core.decider import Aggregate, stamp
from nsml_protos.gangs import members
from nsml_protos.scheduler_pb2 import (
    Node,
    NodeCordoned,
    NodeDraining,
    NodeJoined,
    NodeLost,
    NodeRemoved,
    NodeReturned,
    NodeUncordoned,
    Work,
)
from nsml_protos.session_pb2 import (
    CheckpointSaved,
    Completed,
    Failed,
    GangMember,
    Lost,
    MemberEnded,
    MemberLost,
    Placed,
    Preempted,
    Requested,
    Resumed,
    Started,
    Stopped,
    StopRequested,
)

NodeEvent = (
    NodeJoined
    | NodeCordoned
    | NodeUncordoned
    | NodeDraining
    | NodeLost
    | NodeReturned
    | NodeRemoved
)


def evolve(state: Node, event: NodeEvent, time: datetime) -> None:
    """Apply one event to a node."""
    match event:
        case NodeJoined():
            _joined(state, event, time)
        case NodeCordoned():
            state.cordoned = True
            state.reason = event.reason
        case NodeDraining():
            state.cordoned = state.draining = True
            state.drain_now |= event.at_once
            state.reason = event.reason
        case NodeUncordoned():
            state.cordoned = state.draining = state.drain_now = False
            state.reason = ""
        case NodeLost():
            stamp(state.lost, time)
        case NodeReturned():
            state.ClearField("lost")
        case NodeRemoved():
            _removed(state)
        case _:
            assert_never(event)


def _removed(state: Node) -> None:
    name = state.name
    state.Clear()
    state.name, state.removed = name, True


def _joined(state: Node, event: NodeJoined, time: datetime) -> None:
    state.name = event.name
    state.cpus = event.cpus
    state.memory_bytes = event.memory_bytes
    state.shm_bytes = event.shm_bytes
    state.zone = event.zone
    state.identity = event.identity
    stamp(state.joined, time)
    del state.devices[:]
    state.devices.extend(event.devices)
    state.labels.clear()
    state.labels.update(event.labels)
    state.ClearField("lost")
    state.removed = False


NODE = Aggregate("scheduler", Node, NodeEvent, evolve)


WorkEvent = (
    Requested
    | Resumed
    | Placed
    | Started
    | MemberEnded
    | MemberLost
    | CheckpointSaved
    | StopRequested
    | Completed
    | Failed
    | Stopped
    | Lost
    | Preempted
)


def evolve_work(state: Work, event: WorkEvent, time: datetime) -> None:
    """Apply one event of a session to its claim; an ended session has none."""
    match event:
        case Requested():
            _requested(state, event, time)
        case Resumed():
            _resumed(state, event, time)
        case Placed():
            _placed(state, event, time)
        case Started():
            stamp(state.started, time)
        case CheckpointSaved():
            stamp(state.saved, time)
        case MemberEnded():
            stamp(state.members[event.rank].ended, time)
        case MemberLost():
            _member_lost(state.members[event.rank], event, time)
        case StopRequested():
            state.stopping = True
            state.requeue = event.requeue
        case Preempted():
            _preempted(state, time)
        case Completed() | Failed() | Stopped() | Lost():
            state.Clear()
        case _:
            assert_never(event)


def _requested(state: Work, event: Requested, time: datetime) -> None:
    state.session = event.name
    state.owner = event.owner
    state.resources.CopyFrom(event.spec.resources)
    state.priority = event.spec.priority
    state.preemptible = event.spec.preemptible
    state.after.extend(event.spec.after)
    stamp(state.queued, time)
    stamp(state.waiting_since, time)


def _resumed(state: Work, event: Resumed, time: datetime) -> None:
    """Wait again; who was preempted keeps the place of when it was asked for."""
    state.session = event.name
    state.owner = event.owner
    state.resources.CopyFrom(event.resources)
    state.priority = event.priority
    state.preemptible = event.preemptible
    state.attempt = event.attempt
    if not event.preempted:
        stamp(state.queued, time)
    stamp(state.waiting_since, time)


def _placed(state: Work, event: Placed, time: datetime) -> None:
    state.attempt = event.attempt
    del state.after[:]
    give(state, members(event))
    stamp(state.placed, time)


def give(state: Work, room: Sequence[GangMember]) -> None:
    """Let a session hold room: what lies on one node is told as ever, without members."""
    state.node = room[0].node
    state.devices[:] = room[0].devices
    del state.members[:]
    if len(room) > 1:
        state.members.extend(room)


def _member_lost(member: GangMember, event: MemberLost, time: datetime) -> None:
    """Of one that is only not heard, its node is asked still what has left it."""
    member.lost = event.reason
    if event.gone:
        stamp(member.ended, time)


def _preempted(state: Work, time: datetime) -> None:
    if state.HasField("started"):
        ran = time - state.started.ToDatetime(UTC)
        state.attained_ms += max(int(ran.total_seconds() * 1000), 0)
    state.preemptions += 1
    del state.devices[:]
    del state.members[:]
    for field in ("node", "stopping", "requeue", "placed", "started", "saved"):
        state.ClearField(field)


WORK = Aggregate("session", Work, WorkEvent, evolve_work)
