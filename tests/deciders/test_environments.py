"""Which environment an attempt is to have, and which checkpoint is offered for a damaged one."""

import pytest
from google.protobuf.message import Message

from nsml_core.errors import Invalid, NotFound
from nsml_protos.session_pb2 import (
    Checkpoint,
    CheckpointSaved,
    Failed,
    ForkRequest,
    Placed,
    Requested,
    Resumed,
    Session,
    Spec,
    Started,
)
from nsml_session import checkpoints
from nsml_session.environments import check_environment, with_environment
from nsml_session.forking import spec_of_fork
from tests.deciders.given import Given
from tests.deciders.sessions import ENDINGS, NAME, allocated, queued, resumed

OLD = Started(attempt=1, environment="e", packages=["tiny==1.0"], python="3.11")
NEW = Started(attempt=2, environment="f", packages=["tiny==2.0"], python="3.12")
AGAIN = Placed(attempt=2, node="here")
THIRD = Resumed(name=NAME, owner="ann", attempt=2)
ANEW = Resumed(name=NAME, owner="ann", attempt=1, new_environment=True)


def wanted(session: Given[Session]) -> tuple[list[str], str]:
    spec = with_environment(session.state).spec
    return list(spec.packages), spec.python


@pytest.mark.parametrize(
    ("events", "packages"),
    [
        ((), []),
        ((Started(attempt=1, environment="of a version that recorded none"),), []),
        ((OLD,), ["tiny==1.0"]),
        ((OLD, ENDINGS[0], resumed(), AGAIN), ["tiny==1.0"]),
        ((OLD, ENDINGS[0], ANEW, AGAIN), []),
        ((OLD, ENDINGS[0], ANEW, AGAIN, NEW), ["tiny==2.0"]),
        ((OLD, ENDINGS[0], ANEW, AGAIN, Failed(attempt=2), THIRD), ["tiny==1.0"]),
    ],
)
def test_an_attempt_has_what_the_one_before_had(
    events: tuple[Message, ...], packages: list[str]
) -> None:
    session = allocated(*events)

    assert wanted(session)[0] == packages
    fork = spec_of_fork(session.state, ForkRequest())
    assert list(fork.packages) == packages
    assert not session.state.spec.packages


def test_what_was_asked_for_counts_until_something_has_started() -> None:
    spec = Spec(code_tree="c" * 64, entry="main.py", packages=["zoo==1"], python="3.11")
    asked = Requested(name=NAME, owner="ann", spec=spec)
    session = Given(queued().aggregate, [asked])

    assert wanted(session) == (["zoo==1"], "3.11")
    assert wanted(session.and_then(Placed(attempt=1), OLD)) == (["tiny==1.0"], "3.11")
    anew = spec_of_fork(session.state, ForkRequest(new_environment=True))
    assert (list(anew.packages), anew.python) == ([], "")


def test_a_fork_may_name_its_environment() -> None:
    asked = ForkRequest(packages=["zoo==2"], python="3.10")

    spec = spec_of_fork(allocated(OLD).state, asked)

    assert (list(spec.packages), spec.python) == (["zoo==2"], "3.10")
    bare = spec_of_fork(allocated(OLD).state, ForkRequest(python="3.11"))
    assert (list(bare.packages), bare.python) == ([], "3.11")


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (Spec(packages=["a==1"]), "together with the version of Python"),
        (Spec(python="three"), "no version of Python"),
        (Spec(packages=["--no-index"], python="3.11"), "no package"),
        (Spec(packages=["-r /etc/passwd"], python="3.11"), "no package"),
        (Spec(packages=["a"], python="3.11"), "no package"),
        (Spec(packages=["a==1\nb==2"], python="3.11"), "no package"),
        (Spec(packages=["a @ ./b\n-r c"], python="3.11"), "no package"),
        (Spec(packages=["a==1"] * 5_001, python="3.11"), "at most 5000 packages"),
        (Spec(packages=[f"a=={'1' * 500_000}"], python="3.11"), "at most 5000 packages"),
    ],
)
def test_what_no_installer_should_be_asked_for_is_refused(spec: Spec, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        check_environment(spec)


@pytest.mark.parametrize(
    "package",
    ["a==1.0+cu118", "A_b.c-d==1!2.0rc1", "a @ ./my folder", "a @ git+https://h/a.git@c0ffee"],
)
def test_what_was_recorded_can_be_asked_for(package: str) -> None:
    check_environment(Spec(packages=[package], python="3.11"))


def kept(name: str, tree: str) -> CheckpointSaved:
    return CheckpointSaved(checkpoint=Checkpoint(name=name, tree=tree, attempt=1))


def test_the_checkpoint_before_is_another_one() -> None:
    state = allocated(OLD, kept("10", "a"), kept("20", "b"), kept("30", "b"), kept("5", "c")).state

    assert checkpoints.find_before(state, "5").name == "30"
    assert checkpoints.find_before(state, "30").name == "10", "20 has the same content"
    with pytest.raises(NotFound, match="no checkpoint before 10"):
        checkpoints.find_before(state, "10")
