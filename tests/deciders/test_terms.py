"""The policy that admins set, and what follows from it for those who wait."""

from typing import Any

import pytest

from nsml_core.errors import Invalid
from nsml_protos.scheduler_pb2 import Node, Policy, PolicySet, Quota, QuotaSet, WeightSet, Work
from nsml_protos.session_pb2 import Priority, Resources
from nsml_scheduler import terms
from nsml_scheduler.limits import held_back, never
from nsml_scheduler.shares import Interval, Shares, dominant
from nsml_scheduler.terms import POLICY
from nsml_scheduler.translate import rules_of
from tests.deciders.given import Decision, given

SEED = Quota(gpus=2, cpus=16, memory_bytes=170 << 30, sessions=2)


def quota(owner: str = "", **limits: Any) -> Quota:
    return Quota(owner=owner, **limits)


def set_quota(asked: Quota) -> Decision[Policy]:
    return lambda policy: terms.set_quota(policy, asked, "user:root")


def weigh(owner: str, weight: float) -> Decision[Policy]:
    return lambda policy: terms.set_weight(policy, owner, weight, "user:root")


def policy(*quotas: Quota) -> Policy:
    return given(POLICY, *(QuotaSet(quota=one, actor="user:root") for one in quotas)).state


def work(number: int, owner: str = "ann", **more: Any) -> Work:
    need = Resources(gpus=1, cpus=1, memory_bytes=1 << 30)
    return Work(session=f"{owner}/None/{number}", owner=owner, resources=need, **more)


def test_a_quota_is_set_once_and_taken_back_by_its_name_alone() -> None:
    asked = quota("ann", gpus=2)
    after = given(POLICY).when(set_quota(asked)).then_once(QuotaSet(quota=asked, actor="user:root"))

    assert (after.state.quotas[0].gpus, after.state.quotas[0].set_by) == (2, "user:root")
    none = quota("ann")
    gone = after.when(set_quota(none)).then_once(QuotaSet(quota=none, actor="user:root"))
    assert not gone.state.quotas


def test_ones_own_quota_counts_before_everybodys() -> None:
    found = policy(quota(gpus=1), quota("ann", gpus=3))

    assert (terms.quota_of(found, "ann").gpus, terms.quota_of(found, "bob").gpus) == (3, 1)


def test_a_weight_of_one_is_none() -> None:
    after = (
        given(POLICY)
        .when(weigh("ann", 2))
        .then_once(WeightSet(owner="ann", weight=2, actor="user:root"))
    )
    assert rules_of(after.state).weights == {"ann": 2.0}
    back = after.when(weigh("ann", 1)).then_once(
        WeightSet(owner="ann", weight=1, actor="user:root")
    )
    assert not back.state.weights
    for weight in (0, -1, 1001, float("nan")):
        after.when(weigh("ann", weight)).refused(Invalid, "above 0")


def test_what_is_not_named_stays_as_it_was() -> None:
    asked = PolicySet(preemption=False, actor="user:root")
    after = given(POLICY).when(lambda state: terms.set_policy(state, asked)).then_once(asked)

    assert not rules_of(after.state).preempt
    again = PolicySet(minimum_run_seconds=0, actor="user:root")
    state = after.when(lambda now: terms.set_policy(now, again)).then_once(again).state
    assert (rules_of(state).preempt, rules_of(state).minimum_run_seconds) == (False, 0)
    long = PolicySet(half_life_seconds=1 << 31)
    after.when(lambda now: terms.set_policy(now, long)).refused(Invalid, "at most a year")


@pytest.mark.parametrize(
    ("need", "said"),
    [
        (Resources(gpus=3, memory_bytes=1), "ann may have 2 GPUs at once"),
        (Resources(cpus=17, memory_bytes=1), "ann may have 16 CPUs at once"),
        (Resources(memory_bytes=171 << 30), "ann may have 170.00 GB of memory at once"),
        (Resources(gpus=2), "say with --memory"),
        (Resources(gpus=2, cpus=16, memory_bytes=170 << 30), ""),
    ],
)
def test_what_alone_exceeds_a_quota_can_never_be(need: Resources, said: str) -> None:
    found = never(policy(SEED), "ann", need, Priority.NORMAL)

    assert said in found
    assert bool(said) == bool(found)


def test_high_priority_is_for_those_to_whom_it_was_given() -> None:
    need = Resources(cpus=1)

    assert "for admins" in never(Policy(), "ann", need, Priority.HIGH)
    given_it = policy(Quota(owner="ann", high_priority=True))
    assert not never(given_it, "ann", need, Priority.HIGH)


def test_only_as_many_as_the_quota_has_room_for_start_together() -> None:
    waiting = [work(number) for number in (2, 3, 4)] + [work(1, "bob")]
    found = held_back(waiting, [work(1)], policy(SEED), ())

    assert found == {
        "ann/None/3": "waits: ann may have 2 GPUs at once",
        "ann/None/4": "waits: ann may have 2 GPUs at once",
    }


def test_who_follows_waits_until_all_have_ended_well() -> None:
    follower = work(3, after=["ann/None/1", "ann/None/2"])
    first = {"ann/None/1"}

    assert held_back([follower], [], Policy(), ()) == {"ann/None/3": "waits for ann/None/1 to end"}
    assert held_back([follower], [], Policy(), first) == {
        "ann/None/3": "waits for ann/None/2 to end"
    }
    assert not held_back([follower], [], Policy(), first | {"ann/None/2"})


def test_shares_are_of_what_was_used_most_and_fade() -> None:
    nodes = [Node(name="n", cpus=10)]
    shares = Shares(half_life=100.0)
    busy = Interval("ann", Resources(cpus=10), begin=-1e9, end=0.0)
    shares.add(busy)

    def at(time: float) -> float:
        return dominant(shares.averages(time, []), nodes)["ann"]

    assert at(0.0) == pytest.approx(1.0)
    assert at(100.0) == pytest.approx(0.5)
    assert at(200.0) == pytest.approx(0.25)
    running = Interval("ann", Resources(cpus=5), begin=0.0, end=100.0)
    both = dominant(shares.averages(100.0, [running]), nodes)["ann"]
    assert both == pytest.approx(0.5 + 0.5 * 0.5)


def test_it_does_not_matter_in_which_order_intervals_are_counted() -> None:
    intervals = [Interval("ann", Resources(gpus=1), 10.0 * n, 10.0 * n + 5) for n in range(5)]
    one, other = Shares(50.0), Shares(50.0)
    for interval in intervals:
        one.add(interval)
    for interval in reversed(intervals):
        other.add(interval)

    assert one.averages(90.0, [])["ann"] == pytest.approx(other.averages(90.0, [])["ann"])
