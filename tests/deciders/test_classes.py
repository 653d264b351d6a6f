"""Priority classes that admins name, and what they mean for those in them."""

from collections.abc import Sequence

import pytest
from google.protobuf.message import Message

from nsml_core.errors import Invalid
from nsml_protos.scheduler_pb2 import ClassRemoved, ClassSet, Policy, PriorityClass, Work
from nsml_protos.session_pb2 import Priority, Resources
from nsml_scheduler.classes import lets_stop, rank, refusal, remove_class, set_class
from nsml_scheduler.limits import held_back
from nsml_scheduler.terms import POLICY
from nsml_scheduler.translate import job_of
from tests.deciders.given import Decision, given

URGENT = PriorityClass(name="urgent", rank=50, max_gpus=4, who=["ann"])
SPOT = PriorityClass(name="spot", rank=-200, preemptible=True)
ROOT = "user:root"


def set_it(asked: PriorityClass) -> Decision[Policy]:
    return lambda state: set_class(state, asked, ROOT)


def policy(*named: PriorityClass) -> Policy:
    events: Sequence[Message] = [ClassSet(priority_class=one, actor=ROOT) for one in named]
    return given(POLICY, *events).state


def work(number: int, name: str, gpus: int = 1, **more: object) -> Work:
    need = Resources(gpus=gpus, priority_class=name)
    return Work(session=f"ann/None/{number}", owner="ann", resources=need, **more)  # type: ignore[arg-type]


def test_a_class_is_named_once_and_may_be_changed_and_removed() -> None:
    after = (
        given(POLICY).when(set_it(URGENT)).then_once(ClassSet(priority_class=URGENT, actor=ROOT))
    )
    other = PriorityClass(name="urgent", rank=60)
    changed = after.when(set_it(other)).then_once(ClassSet(priority_class=other, actor=ROOT))
    assert [one.rank for one in changed.state.classes] == [60]

    gone = changed.when(lambda state: remove_class(state, "urgent", ROOT)).then_once(
        ClassRemoved(name="urgent", actor=ROOT)
    )
    assert not gone.state.classes


@pytest.mark.parametrize("name", ["high", "Urgent", "", "a b", "x" * 21])
def test_a_name_is_small_and_its_own(name: str) -> None:
    with pytest.raises(Invalid, match="cannot be a class's name"):
        set_class(Policy(), PriorityClass(name=name), ROOT)


def test_a_rank_has_bounds() -> None:
    with pytest.raises(Invalid, match="A rank is from -1000 to 1000"):
        set_class(Policy(), PriorityClass(name="urgent", rank=1001), ROOT)


def test_ranks_lie_between_those_of_the_built_in_classes() -> None:
    known = policy(URGENT, SPOT)

    built_in = (Priority.LOW, Priority.PRIORITY_UNSPECIFIED, Priority.NORMAL, Priority.HIGH)
    assert [rank(known, Work(priority=one)) for one in built_in] == [-100, 0, 0, 100]
    assert [rank(known, work(1, name)) for name in ("urgent", "spot", "gone")] == [50, -200, 0]
    assert job_of(work(1, "urgent"), known).priority == 50


def test_the_room_of_who_is_in_a_preemptible_class_may_be_had() -> None:
    known = policy(URGENT, SPOT)

    assert lets_stop(known, work(1, "spot"))
    assert not lets_stop(known, work(1, "urgent"))
    assert lets_stop(known, work(1, "urgent", preemptible=True))


def test_who_may_not_be_in_a_class_is_told_so() -> None:
    known = policy(URGENT, SPOT)

    def asked(owner: str, name: str, gpus: int = 1, *, admin: bool = False) -> str:
        return refusal(known, owner, Resources(gpus=gpus, priority_class=name), admin=admin)

    assert not asked("ann", "urgent")
    assert not asked("bob", "spot")
    assert not asked("bob", "urgent", admin=True)
    assert asked("bob", "urgent").startswith("Class urgent is not for bob")
    assert "may have 4 GPUs at once" in asked("ann", "urgent", gpus=5)
    assert asked("ann", "gone").endswith("it is one of low, normal, high, spot, urgent.")


def test_a_class_that_has_all_it_may_have_waits() -> None:
    running = work(1, "urgent", gpus=3, node="n")
    queue = [work(2, "urgent", gpus=2), work(3, "urgent"), work(4, "spot", gpus=9)]

    back = held_back(queue, [running], policy(URGENT, SPOT), set())

    assert back == {"ann/None/2": "waits: class urgent may have 4 GPUs at once"}
