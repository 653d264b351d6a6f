"""Given a request with a job or with tags, when it comes, then it is taken or refused in words."""

from typing import Any

import pytest

from nsml_core.errors import Invalid, NotFound
from nsml_protos.session_pb2 import (
    Checkpoint,
    ForkRequest,
    Input,
    Job,
    Mount,
    Requested,
    Session,
    Spec,
)
from nsml_session.forking import spec_of_fork
from nsml_session.jobs import resolve_input, source
from nsml_session.state import SESSION
from tests.deciders.given import given
from tests.deciders.sessions import NAME, request, running, saved

CODE = "c" * 64
JOB: dict[str, Any] = {"command": "python main.py", "workspace_path": "/workspace", "folder": "x"}
DATA = [Mount(dataset="mnist", revision=1, tree="d" * 64)]


def spec(**job: Any) -> Spec:
    mounts = DATA if job.get("data_path") else []
    return Spec(code_tree=CODE, job=Job(**{**JOB, **job}), datasets=mounts)


def test_a_job_needs_no_entry() -> None:
    asked = spec(data_path="/workspace/data", output_path="/workspace/ckpt", setup="pip list")
    taken = Requested(name=NAME, owner="ann", spec=asked, memo="first", request_key="k")

    given(SESSION).when(request(asked)).then_once(taken)


@pytest.mark.parametrize(
    ("job", "match"),
    [
        ({"command": " "}, "has no command"),
        ({"command": "a\0b"}, "no NUL"),
        ({"setup": "x" * 100_001}, "up to 100000 characters"),
        ({"image": "x" * 501}, "up to 500 characters"),
        ({"folder": ".."}, "is not the name of a folder"),
        ({"folder": "a/b"}, "is not the name of a folder"),
        ({"workspace_path": ""}, "is not a path to mount at"),
        ({"workspace_path": "/"}, "is not a path to mount at"),
        ({"workspace_path": "//"}, "is not a path to mount at"),
        ({"workspace_path": "/a/../b"}, "is not a path to mount at"),
        ({"output_path": "ckpt"}, "is not a path to mount at"),
        ({"data_path": "/workspace"}, "lie in the data at /workspace"),
        ({"data_path": "/data", "output_path": "/data/ckpt"}, "lie in the data at /data"),
        (
            {"data_path": "/data/in", "input": Input(session=NAME, path="/data")},
            "lie in the checkpoint at /data",
        ),
        ({"input": Input(session=NAME)}, "is not a path to mount at"),
    ],
)
def test_a_job_that_could_never_run_is_refused(job: dict[str, Any], match: str) -> None:
    given(SESSION).when(request(spec(**job))).refused(Invalid, match)


def test_a_job_has_either_an_entry_or_a_command() -> None:
    asked = spec()
    asked.entry = "main.py"

    given(SESSION).when(request(asked)).refused(Invalid, "leave out entry and arguments")


def test_data_and_its_place_belong_together() -> None:
    asked = spec(data_path="/data")
    del asked.datasets[:]

    given(SESSION).when(request(asked)).refused(Invalid, "give both or neither")


@pytest.mark.parametrize(
    "tags", [[""], [" a"], ["a\x1b"], ["x" * 51], ["a", "a"], [str(n) for n in range(21)]]
)
def test_tags_that_nobody_could_type_are_refused(tags: list[str]) -> None:
    asked = Spec(code_tree=CODE, entry="main.py", tags=tags)

    given(SESSION).when(request(asked)).refused(Invalid, "tag")


def test_the_checkpoint_to_begin_with_is_the_one_named_or_the_latest() -> None:
    state = running(saved("10", "t1"), saved("20", "t2")).state
    jobs = [Job(input=Input(session=NAME, checkpoint=name, path="/in")) for name in ("10", "")]
    for job in jobs:
        resolve_input(job, state, is_seen=True)

    assert [(job.input.checkpoint, job.input.tree) for job in jobs] == [("10", "t1"), ("20", "t2")]
    assert [job.input.step for job in jobs] == [10, 10]


def test_nobody_begins_with_what_they_may_not_see() -> None:
    with pytest.raises(NotFound, match=f"There is no session {NAME}"):
        resolve_input(Job(input=Input(session=NAME)), running(saved()).state, is_seen=False)


def test_a_checkpoint_is_taken_of_a_session() -> None:
    with pytest.raises(Invalid, match="is no session to take a checkpoint of"):
        source(Job(input=Input(session="687eb085-bac6-4e6c-af95-da1ab047e3d3")))


def test_a_fork_keeps_job_and_tags_and_takes_no_entry() -> None:
    parent = Session(name=NAME, spec=Spec(code_tree=CODE, job=Job(**JOB), tags=["vision"]))

    assert spec_of_fork(parent, ForkRequest(gpus=2)).job == parent.spec.job
    assert spec_of_fork(parent, ForkRequest(gpus=2)).tags == ["vision"]
    for asked in (ForkRequest(entry="other.py"), ForkRequest(new_args=True, args=["a"])):
        with pytest.raises(Invalid, match="It runs a command"):
            spec_of_fork(parent, asked)


def test_a_checkpoint_without_a_step_has_none() -> None:
    job = Job(input=Input(session=NAME, step=3))
    state = Session(name=NAME, owner="ann", checkpoints=[Checkpoint(name="best", tree="t")])
    resolve_input(job, state, is_seen=True)

    assert not job.input.HasField("step")
