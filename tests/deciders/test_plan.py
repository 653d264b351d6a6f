"""Who gets room: never the same device twice, first come first, and nobody starves."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsml_scheduler.policy import plan as planning
from nsml_scheduler.policy.fleet import Fleet
from nsml_scheduler.policy.model import Ask, Gpu, Held, Host, Job, Part, Rules
from nsml_scheduler.policy.plan import Plan, Start, View
from nsml_scheduler.policy.words import largest


def node(name: str = "n", gpus: int = 2, cpus: int = 8, memory: int = 100) -> Host:
    return Host(name, cpus, memory, tuple(Gpu(str(index)) for index in range(gpus)))


def wants(session: str, gpus: int = 0, cpus: int = 0, memory: int = 0) -> Job:
    return Job(session, "ann", ask=Ask(gpus, cpus, memory))


def holds(job: Job, on: str, *devices: str) -> Held:
    return Held(job, (Part(on, devices, job.ask),))


def plan(nodes: Sequence[Host], held: Sequence[Held], queue: Sequence[Job]) -> Plan:
    """Plan for a queue in order of arrival."""
    fleet = Fleet(nodes)
    for each in held:
        fleet.occupy(each.parts)
    waiting = [replace(job, submitted=at, waiting_since=at) for at, job in enumerate(queue)]
    return planning.plan(View(fleet, held, waiting), Rules(), now=0)


def placed(result: Plan) -> list[str]:
    return [start.job.id for start in result.starts]


def where(result: Plan) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    return {
        start.job.id: [(part.host, part.gpus) for part in start.parts] for start in result.starts
    }


def said(result: Plan) -> list[tuple[str, str]]:
    return [(wait.job, wait.reason) for wait in result.waits]


def waiting(result: Plan) -> list[str]:
    return [wait.job for wait in result.waits]


def test_who_fits_is_placed_on_devices_of_their_own() -> None:
    result = plan([node()], [], [wants("a", gpus=1), wants("b", gpus=1)])

    assert where(result) == {"a": [("n", ("0",))], "b": [("n", ("1",))]}


def test_who_does_not_fit_is_told_what_is_missing() -> None:
    result = plan([node(gpus=1)], [], [wants("a", gpus=1), wants("b", gpus=1)])

    assert (placed(result), said(result)) == (["a"], [("b", "needs 1 GPU, 0 free")])


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (wants("a", gpus=3), "needs 3 GPUs, 2 free"),
        (wants("a", cpus=9), "waits for 9 CPUs"),
        (wants("a", cpus=1, memory=2 << 30), "waits for 1 CPU, 2.00 GB of memory"),
        (wants("a", gpus=1, cpus=9), "waits for 1 GPU, 9 CPUs"),
    ],
)
def test_every_reason_is_a_sentence_of_its_own(job: Job, reason: str) -> None:
    assert said(plan([node()], [], [job])) == [("a", reason)]


def test_without_nodes_all_wait() -> None:
    assert waiting(plan([], [], [wants("a"), wants("b", gpus=1)])) == ["a", "b"]


def test_what_others_hold_is_not_free() -> None:
    held = [holds(wants("a", gpus=1, cpus=6), "n", "1")]

    result = plan([node()], held, [wants("b", gpus=1, cpus=2), wants("c", cpus=1)])

    assert where(result) == {"b": [("n", ("0",))]}
    assert waiting(result) == ["c"]


def test_what_is_held_on_a_node_that_left_is_nobodys() -> None:
    assert placed(plan([node()], [holds(wants("a", gpus=2), "old", "0")], [wants("b", gpus=2)]))


def test_nobody_passes_the_head_of_the_queue_on_what_it_needs() -> None:
    held = [holds(wants("a", gpus=1), "n", "0")]

    result = plan([node()], held, [wants("head", gpus=2), wants("b", gpus=1)])

    assert waiting(result) == ["head", "b"]


def test_who_does_not_need_what_the_head_waits_for_passes() -> None:
    held = [holds(wants("a", gpus=2, cpus=1), "n", "0", "1")]

    result = plan([node()], held, [wants("head", gpus=1, cpus=1), wants("b", cpus=6)])

    assert (placed(result), waiting(result)) == (["b"], ["head"])


def test_who_needs_no_cores_passes_a_head_that_waits_for_cores() -> None:
    held = [holds(wants("a", cpus=7), "n")]

    result = plan([node()], held, [wants("head", cpus=8), wants("b", gpus=1), wants("c")])

    assert (placed(result), waiting(result)) == (["b", "c"], ["head"])


def test_room_is_kept_only_where_the_head_could_ever_fit() -> None:
    nodes = [node("small", gpus=4), node("large", gpus=8)]
    held = [holds(wants("a", gpus=6), "large", *"012345")]

    result = plan(nodes, held, [wants("head", gpus=8), wants("b", gpus=1)])

    assert waiting(result) == ["head"]
    assert where(result) == {"b": [("small", ("0",))]}


def test_what_can_never_run_keeps_nothing_from_the_others() -> None:
    result = plan([node()], [], [wants("huge", gpus=9), wants("b", gpus=2, cpus=8)])

    assert (placed(result), waiting(result)) == (["b"], ["huge"])


def test_small_sessions_leave_whole_nodes_to_large_ones() -> None:
    nodes = [node("large", gpus=8), node("small", gpus=2)]

    result = plan(nodes, [], [wants("a", gpus=1), wants("b", gpus=8)])

    assert [start.parts[0].host for start in result.starts] == ["small", "large"]


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (Ask(2, 8, 100), ""),
        (Ask(), ""),
        (Ask(gpus=3), "No node has 3 GPUs: the largest have 2 GPUs, 8 CPUs"),
        (Ask(cpus=9), "No node has 9 CPUs: "),
        (Ask(1, memory_bytes=1 << 30), "No node has 1 GPU, 1.00 GB of memory: "),
    ],
)
def test_what_could_ever_run(wanted: Ask, reason: str) -> None:
    found = largest([node()], wanted)

    assert found.startswith(reason)
    assert bool(found) == bool(reason)


def test_without_nodes_nothing_could_ever_run() -> None:
    assert largest([], Ask(gpus=1)).startswith("No node has 1 GPU: the largest have 0 GPUs")


NODES = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 8), st.integers(0, 50)), min_size=1, max_size=3
).map(lambda sizes: [node(f"n{at}", *size) for at, size in enumerate(sizes)])
SIZES = st.tuples(st.integers(0, 4), st.integers(0, 8), st.integers(0, 50))
QUEUES = st.lists(SIZES, max_size=12).map(
    lambda sizes: [wants(f"s{at:02}", *size) for at, size in enumerate(sizes)]
)


def as_held(start: Start) -> Held:
    return Held(start.job, start.parts)


def check_room(nodes: list[Host], held: list[Held]) -> None:
    parts = [part for each in held for part in each.parts]
    devices = Counter((part.host, gpu) for part in parts for gpu in part.gpus)
    assert all(count == 1 for count in devices.values())
    for each in nodes:
        here = [part for part in parts if part.host == each.name]
        assert {gpu for part in here for gpu in part.gpus} <= {gpu.id for gpu in each.gpus}
        assert all(len(part.gpus) == part.ask.gpus for part in here)
        assert sum(part.ask.cpus for part in here) <= each.cpus
        assert sum(part.ask.memory_bytes for part in here) <= each.memory_bytes


@given(NODES, QUEUES, st.data())
def test_nothing_is_given_twice_and_everybody_gets_their_turn(
    nodes: list[Host], queue: list[Job], data: st.DataObject
) -> None:
    possible = [job for job in queue if not largest(nodes, job.ask)]
    held: list[Held] = []
    waits = list(queue)
    while True:
        result = plan(nodes, held, waits)
        assert sorted(placed(result) + waiting(result)) == [job.id for job in waits]
        assert all(wait.reason for wait in result.waits)
        held += map(as_held, result.starts)
        check_room(nodes, held)
        waits = [job for job in waits if job.id in waiting(result)]
        if not held:
            break
        held.pop(data.draw(st.integers(0, len(held) - 1)))

    assert {job.id for job in waits}.isdisjoint(job.id for job in possible)


@given(NODES, SIZES, st.integers(1, 12), st.lists(SIZES, max_size=4))
def test_equals_are_served_in_the_order_of_their_arrival(
    nodes: list[Host], size: tuple[int, int, int], count: int, others: list[tuple[int, int, int]]
) -> None:
    ahead = [wants(f"a{at}", *other) for at, other in enumerate(others)]
    equals = [wants(f"s{at:02}", *size) for at in range(count)]

    result = placed(plan(nodes, [], [*ahead, *equals]))

    served = [session for session in result if session.startswith("s")]
    assert served == [job.id for job in equals][: len(served)]


@given(st.integers(1, 4), st.integers(1, 8), QUEUES, st.lists(SIZES, min_size=1, max_size=8))
def test_the_head_is_never_delayed_by_those_behind_it(
    gpus: int, cpus: int, behind: list[Job], running: list[tuple[int, int, int]]
) -> None:
    nodes = [node(gpus=4)]
    head = wants("head", gpus, cpus)
    start = [wants(f"r{at}", *size) for at, size in enumerate(running)]
    begun = [as_held(each) for each in plan(nodes, [], start).starts]

    def ends_until_placed(queue: list[Job]) -> int:
        held = list(begun)
        waits = list(queue)
        for ended in range(len(begun) + 1):
            result = plan(nodes, held, waits)
            if "head" in placed(result):
                return ended
            held += map(as_held, result.starts)
            waits = [job for job in waits if job.id in waiting(result)]
            held = held[1:]  # those that were there before end first, in order
        raise AssertionError("the head was never placed")

    assert ends_until_placed([head, *behind]) == ends_until_placed([head])
