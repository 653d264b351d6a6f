"""Nodes: they join, are closed, emptied, lost, found again, and let go."""

from nsml_core.errors import NotFound, Refused
from nsml_protos.scheduler_pb2 import (
    Device,
    Node,
    NodeCordoned,
    NodeDraining,
    NodeJoined,
    NodeLost,
    NodeRemoved,
    NodeReturned,
    NodeUncordoned,
)
from nsml_scheduler import decide
from nsml_scheduler.state import NODE
from nsml_scheduler.translate import host_of
from tests.deciders.given import Decision, Given, given

JOINED = NodeJoined(
    name="n", devices=[Device(id="0")], cpus=4, zone="a", labels={"disk": "ssd"}, identity="me"
)


def joined(*events: object) -> Given[Node]:
    return given(NODE, JOINED, *events)  # type: ignore[arg-type]


def join(event: NodeJoined = JOINED) -> Decision[Node]:
    return lambda node: decide.join(node, event)


def drain(*, at_once: bool = False) -> Decision[Node]:
    return lambda node: decide.drain(node, "mended", at_once=at_once)


def cordon(node: Node) -> list[object]:
    return decide.cordon(node, "mended")  # type: ignore[return-value]


def remove(holders: int = 0) -> Decision[Node]:
    return lambda node: decide.remove(node, "sold", holders)


def lose(node: Node) -> list[object]:
    return decide.lose(node, "silent")  # type: ignore[return-value]


def test_a_node_joins_once_and_again_when_it_has_changed() -> None:
    more = NodeJoined(name="n", cpus=8, identity="me")

    given(NODE).when(join()).then_once(JOINED).when(join(more)).then_once(more)


def test_another_machine_of_the_same_name_is_refused() -> None:
    other = NodeJoined(name="n", cpus=4, identity="another")

    joined().when(join(other)).refused(Refused, "give this one another name")
    joined(NodeRemoved()).when(join(other)).then(other)


def test_a_node_of_before_identities_tells_its_own() -> None:
    before = NodeJoined(name="n", cpus=4)

    given(NODE, before).when(join()).then(JOINED)


def test_a_cordoned_node_takes_nothing_until_it_is_uncordoned() -> None:
    after = joined().when(cordon).then_once(NodeCordoned(reason="mended"))  # type: ignore[arg-type]

    assert host_of(after.state).cordoned
    assert not host_of(after.when(decide.uncordon).then_once(NodeUncordoned()).state).cordoned


def test_a_drain_may_become_one_at_once() -> None:
    after = joined().when(drain()).then_once(NodeDraining(reason="mended"))
    assert (after.state.draining, after.state.drain_now) == (True, False)

    now = after.when(drain(at_once=True)).then_once(NodeDraining(reason="mended", at_once=True))
    assert now.state.drain_now
    assert not now.when(drain()).then().and_then(NodeUncordoned()).state.drain_now


def test_a_lost_node_takes_nothing_and_is_found_again() -> None:
    after = joined().when(lose).then_once(NodeLost(reason="silent"))  # type: ignore[arg-type]

    assert host_of(after.state).cordoned
    assert not host_of(after.when(decide.find).then_once(NodeReturned()).state).cordoned
    assert not after.when(join()).then().and_then(JOINED).state.HasField("lost")


def test_only_an_empty_or_a_lost_node_leaves() -> None:
    joined().when(remove()).refused(Refused, "nsml node drain n")
    drained = joined(NodeDraining())
    drained.when(remove(2)).refused(Refused, "holds 2 sessions still")
    drained.when(remove()).then_once(NodeRemoved(reason="sold"))
    joined(NodeLost()).when(remove(2)).then_once(NodeRemoved(reason="sold"))


def test_of_a_node_that_is_not_there_nothing_can_be_asked() -> None:
    for state in (given(NODE), joined(NodeRemoved())):
        state.when(drain()).refused(NotFound, "nsml node ls")
        state.when(decide.uncordon).refused(NotFound, "nsml node ls")
        state.when(lose).then()  # type: ignore[arg-type]
