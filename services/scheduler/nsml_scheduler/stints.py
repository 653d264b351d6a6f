"""When each session held room: what fair shares are counted from after a restart."""

from datetime import datetime
from typing import assert_never

from google.protobuf.timestamp_pb2 import Timestamp

from nsml_core.decider import Aggregate, stamp
from nsml_protos.scheduler_pb2 import Stint, Stints
from nsml_protos.session_pb2 import (
    Completed,
    Failed,
    Lost,
    Placed,
    Preempted,
    Requested,
    Resumed,
    Stopped,
)
from nsml_scheduler.shares import Interval

_KEPT = 50
"""Of each session its newest; what is older has faded."""

Event = Requested | Resumed | Placed | Completed | Failed | Stopped | Lost | Preempted


def evolve(state: Stints, event: Event, time: datetime) -> None:
    """Apply one event of a session."""
    match event:
        case Requested():
            state.session = event.name
            state.owner = event.owner
            state.resources.CopyFrom(event.spec.resources)
        case Resumed():
            state.resources.CopyFrom(event.resources)
        case Placed():
            stamp(state.stints.add().placed, time)
            del state.stints[:-_KEPT]
        case Completed() | Failed() | Stopped() | Lost() | Preempted():
            if state.stints and not state.stints[-1].HasField("ended"):
                stamp(state.stints[-1].ended, time)
        case _:
            assert_never(event)


STINTS = Aggregate("session", Stints, Event, evolve)


def until(state: Stints) -> datetime:
    """Return until when it held room: as long as anybody asks if it does, never if it never did."""
    last = state.stints[-1] if state.stints else Stint(ended=Timestamp())
    return last.ended.ToDatetime() if last.HasField("ended") else datetime.max  # noqa: DTZ901


def intervals(state: Stints) -> list[Interval]:
    """Return the times in which it held room and does not any more."""
    return [
        Interval(
            state.owner,
            state.resources,
            stint.placed.ToNanoseconds() / 1e9,
            stint.ended.ToNanoseconds() / 1e9,
        )
        for stint in state.stints
        if stint.HasField("ended")
    ]
