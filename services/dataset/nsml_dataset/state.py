"""What is true of a dataset, and how each event changes it."""

from datetime import datetime
from typing import assert_never

from nsml_core.decider import Aggregate, stamp
from nsml_protos.dataset_pb2 import Changed, Created, Dataset, Deleted, Pushed

Event = Created | Pushed | Changed | Deleted


def evolve(state: Dataset, event: Event, time: datetime) -> None:
    """Apply one event."""
    match event:
        case Created():
            state.name = event.name
            state.owner = event.owner
            state.private = event.private
            state.description = event.description
            stamp(state.created, time)
            state.deleted = False
            del state.revisions[:]  # whoever creates the name again need not be who deleted it
        case Pushed():
            pushed = state.revisions.add()
            pushed.CopyFrom(event.revision)
            stamp(pushed.pushed, time)
            state.last_number = pushed.number
        case Changed():
            if event.HasField("private"):
                state.private = event.private
            if event.HasField("description"):
                state.description = event.description
        case Deleted():
            state.deleted = True
        case _:
            assert_never(event)
    stamp(state.updated, time)


DATASET = Aggregate("dataset", Dataset, Event, evolve)
