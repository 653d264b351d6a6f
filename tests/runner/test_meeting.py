"""How the processes of a session find each other: what each is told of all."""

import pytest

from nsml_core.errors import Invalid
from nsml_protos.session_pb2 import Assignment, Attempt, GangMember, Resources, Session, Spec
from nsml_runner.meeting import meeting, patience_seconds, processes
from nsml_runner.messages import Reports
from nsml_runner.ranks import of_rank, ranked


def assigned(rank: int, gpus: int, **env: str) -> Assignment:
    """A member of two, as its runner knows it once all are ready."""
    members = [
        GangMember(rank=at, node=name, address=f"10.0.0.{at}", ports=[100 + at, 200 + at])
        for at, name in enumerate("ab")
    ]
    spec = Spec(resources=Resources(gpus=gpus, nodes=2), env=env)
    session = Session(spec=spec, attempts=[Attempt(number=1, members=members)])
    return Assignment(session=session, attempt=1, rank=rank)


@pytest.mark.parametrize(("rank", "gpus", "ranks"), [
    (0, 0, "1 2 0"),
    (1, 0, "1 2 1"),
    (1, 1, "1 2 1"),
    (1, 4, "4 8 4"),
])  # fmt: skip
def test_a_member_knows_its_place_among_all_processes(rank: int, gpus: int, ranks: str) -> None:
    found = meeting(assigned(rank, gpus))
    names = ("NPROC_PER_NODE", "WORLD_SIZE", "RANK")

    assert " ".join(found[name] for name in names) == ranks
    assert (found["MASTER_ADDR"], found["MASTER_PORT"]) == ("10.0.0.0", "100")
    assert (found["NNODES"], found["NODE_RANK"], found["LOCAL_RANK"]) == ("2", str(rank), "0")
    assert found["NSML_PARALLEL_WORLD"] == "10.0.0.0,10.0.0.1"
    assert (found["NSML_PARALLEL_PORTS"], found["NSML_RANK"]) == ("200,201", str(rank))


def test_who_has_all_gpus_in_one_process_says_so() -> None:
    found = meeting(assigned(1, 4, NPROC_PER_NODE="1"))
    assert (found["WORLD_SIZE"], found["RANK"]) == ("2", "1")

    with pytest.raises(Invalid, match="a number from 1"):
        processes(assigned(0, 4, NPROC_PER_NODE="none").session.spec)


def test_who_is_alone_has_nobody_to_meet() -> None:
    alone = Session(spec=Spec(resources=Resources(gpus=1)), attempts=[Attempt(number=1, node="a")])
    found = meeting(Assignment(session=alone, attempt=1))

    assert (found["NSML_PARALLEL_WORLD"], "MASTER_ADDR" in found) == ("", False)


def test_patience_is_a_number_of_seconds() -> None:
    assert patience_seconds({}) == 1800
    with pytest.raises(Invalid, match="NSML_MEETING_SECONDS"):
        patience_seconds({"NSML_MEETING_SECONDS": "soon"})


def test_what_others_than_rank_0_report_has_their_rank_before_it() -> None:
    reports = Reports([["loss", "rank5/acc"]], [0], [1.0], [0], [0.5, 0.6], {"loss": 0.5})

    assert of_rank(reports, 0) is reports
    assert of_rank(reports, 4).names == [["rank4/loss", "rank5/acc"]]
    assert of_rank(reports, 4).summary == {"rank4/loss": 0.5}
    assert ranked("picture", 2) == "rank2/picture"
