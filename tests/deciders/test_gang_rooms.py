"""Room for gangs: on nodes of their own, all or none, and never more than there could be."""

from dataclasses import replace

from nsml_protos.scheduler_pb2 import Work
from nsml_protos.session_pb2 import GangMember, Placed, Requested, Resources, Spec
from nsml_scheduler.cluster import claims, is_on, on_node
from nsml_scheduler.limits import held_by_owner
from nsml_scheduler.policy.words import largest
from nsml_scheduler.state import WORK
from tests.deciders.given import given
from tests.deciders.test_plan import holds, node, placed, plan, said, wants, where

ROOM = (GangMember(node="a", devices=["0"]), GangMember(rank=1, node="b", devices=["1"]))


def held() -> Work:
    """A gang that holds room on two nodes."""
    need = Resources(gpus=1, cpus=2, nodes=2)
    return given(
        WORK,
        Requested(name="ann/None/1", owner="ann", spec=Spec(resources=need)),
        Placed(attempt=1, node="a", devices=["0"], members=ROOM),
    ).state


def test_each_member_has_a_node_of_its_own() -> None:
    gang = replace(wants("gang", gpus=1), members=2)
    result = plan([node("a"), node("b")], [], [gang])

    assert sorted(where(result)["gang"]) == [("a", ("0",)), ("b", ("0",))]


def test_it_waits_for_all_of_its_nodes_and_takes_none_before() -> None:
    gang = replace(wants("gang", gpus=2), members=2)
    result = plan([node("a"), node("b")], [holds(wants("x", gpus=1), "b", "0")], [gang])

    assert (placed(result), [job for job, _ in said(result)]) == ([], ["gang"])
    assert "waits for 2 nodes at once, each with 2 GPUs" in said(result)[0][1]


def test_more_nodes_than_there_are_is_refused_with_how_many_could() -> None:
    hosts = [node("a"), node("b"), node("c", gpus=0)]
    need = wants("x", gpus=1).ask

    assert not largest(hosts, need, 2)
    assert largest(hosts, need, 3) == "Only 2 nodes can hold 1 GPU, and 3 are asked for at once."


def test_it_is_seen_on_each_of_its_nodes_with_the_devices_that_it_has_there() -> None:
    works = [held()]

    assert [on_node(works, name)[0].devices for name in "ab"] == [["0"], ["1"]]
    assert is_on(works[0], "b")
    assert not on_node(works, "c")


def test_its_owner_holds_what_all_of_its_members_hold() -> None:
    amount = held_by_owner([held()])["ann"]

    assert (amount.gpus, amount.cpus, amount.sessions) == (2, 4, 1)


def test_there_is_a_runner_to_look_after_on_each_node() -> None:
    assert [(one.node, one.rank) for one in claims(held())] == [("a", 0), ("b", 1)]
