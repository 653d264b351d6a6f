"""Which of a session's checkpoints is meant, and what to do if it is damaged."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from nsml_core.errors import Damaged, NotFound
from nsml_protos.session_pb2 import Checkpoint, Session


def saved(point: Checkpoint) -> tuple[int, int]:
    """Return when a checkpoint was saved, to sort by."""
    return point.saved.seconds, point.saved.nanos


def find(one: Session, wanted: str) -> Checkpoint:
    """Return the checkpoint of this name; without a name, the one saved last by the clock."""
    if not one.checkpoints:
        raise NotFound(f"Session {one.name} has saved no model yet.")
    if not wanted:
        return max(one.checkpoints, key=saved)
    for point in one.checkpoints:
        if point.name == wanted:
            return point
    raise NotFound(
        f"Session {one.name} has no model {wanted!r}: `nsml model ls {one.name}` lists them."
    )


@contextmanager
def telling_of_damage(one: Session, point: Checkpoint) -> Iterator[None]:
    """Name a checkpoint that cannot be read, and the one that was saved before it."""
    try:
        yield
    except (Damaged, NotFound) as error:
        raise Damaged(_damaged(one, point)) from error


def _damaged(one: Session, point: Checkpoint) -> str:
    what = f"Checkpoint {point.name} of {one.name} is damaged in the store"
    earlier = [
        each for each in one.checkpoints if saved(each) < saved(point) and each.tree != point.tree
    ]
    if not earlier:
        return f"{what}, and there is none before it: `nsml model ls {one.name}` lists them."
    before = shlex.quote(max(earlier, key=saved).name)
    return f"{what}; the one before is {before}: `nsml model pull {one.name} {before}`."
