"""What owners keep in the store, by what happened to their datasets and sessions."""

from google.protobuf.message import Message

from nsml_protos.dataset_pb2 import Created, Deleted, Pushed, Revision
from nsml_protos.scheduler_pb2 import Quota
from nsml_protos.session_pb2 import (
    Checkpoint,
    CheckpointRemoved,
    CheckpointSaved,
    Completed,
    Outcome,
    Removed,
    Requested,
)
from nsml_scheduler.kept import KEPT_BY_SESSIONS, KEPT_DATA, too_much, total
from tests.deciders.given import given

_GB = 1 << 30


def data(*events: Message) -> int:
    return total(given(KEPT_DATA, Created(name="mnist", owner="ann"), *events).state)


def results(*events: Message) -> int:
    return total(given(KEPT_BY_SESSIONS, Requested(name="s", owner="ann"), *events).state)


def pushed(number: int, tree: str, size: int) -> Pushed:
    return Pushed(revision=Revision(number=number, tree=tree, bytes=size))


def saved(name: str, tree: str, size: int) -> CheckpointSaved:
    return CheckpointSaved(checkpoint=Checkpoint(name=name, tree=tree, bytes=size))


def test_each_revision_counts_until_the_dataset_is_deleted() -> None:
    two = (pushed(1, "a", 100), pushed(2, "b", 50))

    assert data(*two) == 150
    assert data(*two, Deleted()) == 0


def test_the_same_content_counts_once() -> None:
    assert data(pushed(1, "a", 100), pushed(2, "b", 50), pushed(3, "a", 100)) == 150


def test_a_checkpoint_takes_the_place_of_one_of_its_name() -> None:
    assert results(saved("best", "a", 100), saved("1", "b", 10), saved("best", "c", 70)) == 80
    assert results(saved("best", "a", 100), CheckpointRemoved(name="best")) == 0


def test_outputs_count_until_the_session_is_removed() -> None:
    ended = Completed(outcome=Outcome(output_tree="o", output_bytes=7))

    assert results(saved("1", "a", 100), ended) == 107
    assert results(saved("1", "a", 100), ended, Removed()) == 0


def test_who_would_keep_too_much_is_told_what_to_do() -> None:
    quota = Quota(storage_bytes=10 * _GB)

    assert not too_much(Quota(), "ann", 99 * _GB, 99 * _GB)
    assert not too_much(quota, "ann", 9 * _GB, _GB)
    said = too_much(quota, "ann", 9 * _GB, 2 * _GB)
    assert said.startswith(
        "ann may keep 10.00 GB of data, checkpoints and outputs, and keeps 9.00 GB: "
    )
    assert "2.00 GB more have no room" in said
    assert "nsml model rm" in said
