"""Resuming once, and what a fork takes over."""

import pytest

from nsml_core.errors import Invalid, NotFound
from nsml_protos.session_pb2 import (
    Checkpoint,
    CheckpointSaved,
    Failed,
    ForkRequest,
    Outcome,
    Placed,
    Requested,
    Resources,
    Resumed,
    Session,
    Spec,
    Started,
)
from nsml_session import decide
from nsml_session.forking import spec_of_fork
from nsml_session.state import SESSION
from tests.deciders.given import Decision, Given, given

NAME = "ann/mnist/1"
SPEC = Spec(code_tree="c" * 64, entry="main.py", args=["--lr", "1"], seed=7)
FAILED = Failed(attempt=1, outcome=Outcome(exit_code=1, message="no"))


def failed(*names: str) -> Given[Session]:
    return given(
        SESSION,
        Requested(name=NAME, owner="ann", spec=SPEC),
        Placed(attempt=1, node="here"),
        Started(attempt=1),
        *(CheckpointSaved(checkpoint=Checkpoint(name=name, attempt=1)) for name in names),
        FAILED,
    )


def resume(key: str) -> Decision[Session]:
    return lambda state: decide.resume(state, from_start=True, key=key)


def test_a_resume_that_is_sent_twice_happens_once() -> None:
    resumed = Resumed(name=NAME, owner="ann", attempt=1, request_key="k")
    resumed.resources.SetInParent()

    queued = failed().when(resume("k")).then_once(resumed)

    ended = queued.and_then(Placed(attempt=2, node="here"), Failed(attempt=2))
    ended.when(resume("k")).then()
    again = Resumed(name=NAME, owner="ann", attempt=2, request_key="other")
    again.resources.SetInParent()
    ended.when(resume("other")).then(again)


def test_a_key_that_is_no_word_is_refused() -> None:
    failed().when(resume("x" * 101)).refused(Invalid, "at most 100")


@pytest.mark.parametrize(
    ("names", "asked", "start"), [((), "", None), (("a", "b"), "", "b"), (("a", "b"), "a", "a")]
)
def test_a_fork_starts_where_it_was_asked_to(
    names: tuple[str, ...], asked: str, start: str | None
) -> None:
    found = decide.fork_start(failed(*names).state, asked, 9)

    assert (found.name if found else None) == start


def test_a_fork_starts_from_no_checkpoint_that_there_was_not() -> None:
    with pytest.raises(NotFound, match="no checkpoint 7 at event 9"):
        decide.fork_start(failed("a").state, "7", 9)


def test_a_fork_is_its_parent_but_for_what_was_asked() -> None:
    parent = failed().state

    assert spec_of_fork(parent, ForkRequest()) == SPEC
    changed = spec_of_fork(
        parent, ForkRequest(entry="b.py", args=["x"], new_args=True, gpus=0, cpus=2, memory_bytes=3)
    )

    expected = Spec(code_tree="c" * 64, entry="b.py", args=["x"], seed=7)
    expected.resources.CopyFrom(Resources(cpus=2, memory_bytes=3))
    assert changed == expected
    assert not spec_of_fork(parent, ForkRequest(new_args=True)).args
    assert parent.spec == SPEC
