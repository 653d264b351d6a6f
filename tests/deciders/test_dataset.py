"""Revisions of datasets: who may push, read and delete, and what a reference means."""

import pytest

from nsml_core.errors import Error, Invalid, NotFound
from nsml_dataset import decide
from nsml_dataset.state import DATASET
from nsml_protos.dataset_pb2 import Changed, Created, Dataset, Deleted, Pushed, Revision
from tests.deciders.given import Decision, given

CREATED = Created(name="mnist", owner="ann")
PRIVATE = Created(name="mnist", owner="ann", private=True)


def revision(tree: str, number: int = 0) -> Revision:
    return Revision(tree=tree, files=1, bytes=10, number=number, pushed_by="ann")


def pushed(tree: str, number: int) -> Pushed:
    return Pushed(revision=revision(tree, number))


def push(
    tree: str = "a",
    *,
    owner: str = "ann",
    private: bool | None = None,
    description: str | None = None,
) -> Decision[Dataset]:
    return lambda state: decide.push(
        state,
        name="mnist",
        owner=owner,
        revision=revision(tree),
        private=private,
        description=description,
    )


def test_the_first_push_creates() -> None:
    given(DATASET).when(push()).then_once(CREATED, pushed("a", 1))


def test_another_tree_is_the_next_revision() -> None:
    given(DATASET, CREATED, pushed("a", 1)).when(push("b")).then_once(pushed("b", 2))


def test_an_older_tree_again_is_a_new_revision() -> None:
    given(DATASET, CREATED, pushed("a", 1), pushed("b", 2)).when(push("a")).then_once(
        pushed("a", 3)
    )


def test_a_push_changes_what_it_names() -> None:
    given(DATASET, CREATED, pushed("a", 1)).when(
        push(private=True, description="digits")
    ).then_once(Changed(private=True, description="digits"))


def test_a_push_leaves_what_it_does_not_name() -> None:
    after = given(DATASET, PRIVATE, pushed("a", 1)).when(push("b")).then(pushed("b", 2))

    assert after.state.private


def test_a_deleted_name_is_anybodys_and_its_numbers_go_on() -> None:
    deleted = given(DATASET, CREATED, pushed("a", 1), pushed("b", 2), Deleted())
    third = Pushed(revision=Revision(tree="a", files=1, bytes=10, number=3, pushed_by="ann"))

    after = deleted.when(push("a", owner="bob")).then_once(
        Created(name="mnist", owner="bob"), third
    )

    assert [kept.number for kept in after.state.revisions] == [3]


def test_the_next_owner_of_a_name_sees_nothing_of_the_one_before() -> None:
    again = Created(name="mnist", owner="bob")
    state = given(DATASET, PRIVATE, pushed("secret", 1), Deleted(), again, pushed("b", 2)).state

    with pytest.raises(NotFound, match="no revision 1"):
        decide.resolve(state, "mnist@1")


@pytest.mark.parametrize(
    ("decision", "match"),
    [
        (push(description="x" * 2001), "at most 2000"),
        (
            lambda state: decide.push(
                state,
                name="mnist",
                owner="ann",
                revision=Revision(tree="a"),
                private=None,
                description=None,
            ),
            "folder is empty",
        ),
    ],
)
def test_what_cannot_be_pushed(decision: Decision[Dataset], match: str) -> None:
    given(DATASET).when(decision).refused(Invalid, match)


@pytest.mark.parametrize("name", ["", "None", "-a", "a b", "a" * 21, "a/b", "a.b", "ö", "a\n"])
def test_a_name_is_portable(name: str) -> None:
    with pytest.raises(Invalid, match="cannot be a dataset's name"):
        decide.check_name(name)


def test_a_dataset_is_deleted_once() -> None:
    given(DATASET, CREATED, pushed("a", 1)).when(decide.remove).then_once(Deleted())
    given(DATASET).when(decide.remove).then()


@pytest.mark.parametrize(
    ("reference", "tree"), [("mnist", "b"), ("mnist@1", "a"), ("mnist@2", "b")]
)
def test_what_a_reference_means(reference: str, tree: str) -> None:
    state = given(DATASET, CREATED, pushed("a", 1), pushed("b", 2)).state

    assert decide.resolve(state, reference).tree == tree


@pytest.mark.parametrize(
    ("reference", "error", "match"),
    [
        ("mnist@3", NotFound, "its newest is mnist@2"),
        ("mnist@", NotFound, "no revision"),
        ("mnist@x", NotFound, "no revision x"),
        ("mnist@01", NotFound, "no revision 01"),
    ],
)
def test_what_no_reference_means(reference: str, error: type[Error], match: str) -> None:
    state = given(DATASET, CREATED, pushed("a", 1), pushed("b", 2)).state

    with pytest.raises(error, match=match):
        decide.resolve(state, reference)
