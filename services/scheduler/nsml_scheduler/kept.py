"""What owners keep in the store: revisions of datasets, checkpoints and outputs of sessions."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import assert_never

from nsml_core.decider import Aggregate
from nsml_protos.dataset_pb2 import Created, Deleted, Pushed
from nsml_protos.scheduler_pb2 import Kept, KeptTree, Quota
from nsml_protos.session_pb2 import (
    CheckpointRemoved,
    CheckpointSaved,
    Completed,
    Failed,
    Removed,
    Requested,
    Stopped,
)

_UNITS = (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10))  # as sizes are shown everywhere
_OUTPUT = "/"
"""No checkpoint is called so."""

DatasetEvent = Created | Pushed | Deleted
SessionEvent = (
    Requested | CheckpointSaved | CheckpointRemoved | Completed | Failed | Stopped | Removed
)

Stored = Callable[[str], Awaitable[int]]
"""Returns how many bytes an owner keeps."""


def evolve_dataset(state: Kept, event: DatasetEvent, _: datetime) -> None:
    """Apply one event of a dataset."""
    match event:
        case Created():
            state.Clear()
            state.owner = event.owner
        case Pushed():
            new = event.revision
            state.trees.add(name=str(new.number), tree=new.tree, bytes=new.bytes)
        case Deleted():
            del state.trees[:]
        case _:
            assert_never(event)


def evolve_session(state: Kept, event: SessionEvent, _: datetime) -> None:
    """Apply one event of a session; a checkpoint takes the place of one of its name."""
    match event:
        case Requested():
            state.owner = event.owner
        case CheckpointSaved():
            saved = event.checkpoint
            _put(state, KeptTree(name=saved.name, tree=saved.tree, bytes=saved.bytes))
        case CheckpointRemoved():
            _put(state, KeptTree(name=event.name))
        case Completed() | Failed() | Stopped():
            ended = event.outcome
            _put(state, KeptTree(name=_OUTPUT, tree=ended.output_tree, bytes=ended.output_bytes))
        case Removed():
            del state.trees[:]
        case _:
            assert_never(event)


def _put(state: Kept, new: KeptTree) -> None:
    for number, tree in enumerate(state.trees):
        if tree.name == new.name:
            del state.trees[number]
            break
    if new.tree:
        state.trees.append(new)


KEPT_DATA = Aggregate("dataset", Kept, DatasetEvent, evolve_dataset)
KEPT_BY_SESSIONS = Aggregate("session", Kept, SessionEvent, evolve_session)


def total(state: Kept) -> int:
    """Return how many bytes it keeps; what is kept twice is counted once."""
    return sum({tree.tree: tree.bytes for tree in state.trees}.values())


def too_much(quota: Quota, owner: str, kept: int, more: int) -> str:
    """Return why an owner may not keep so much more; empty if they may."""
    limit = quota.storage_bytes
    if not limit or not more or kept + more <= limit:
        return ""
    return (
        f"{owner} may keep {_size(limit)} of data, checkpoints and outputs, and keeps "
        f"{_size(kept)}: {_size(more)} more have no room. Remove some with `nsml dataset rm` or "
        "`nsml model rm`, or ask an admin; `nsml quota` shows how much it is."
    )


def _size(number: int) -> str:
    unit, one = next((unit for unit in _UNITS if number >= unit[1]), _UNITS[-1])
    return f"{number / one:.2f} {unit}"
