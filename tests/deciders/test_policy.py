"""The order of the queue, gangs, the room that is kept, and who is stopped for whom."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsml_scheduler.policy.fleet import Fleet
from nsml_scheduler.policy.lengths import Lengths, gittins, level
from nsml_scheduler.policy.model import Ask, Held, Job, Rules
from nsml_scheduler.policy.order import Standing, in_order, kind
from nsml_scheduler.policy.place import place
from nsml_scheduler.policy.usage import Usage
from tests.deciders.fleets import free, host, hosts, planned, runs, started, stopped

LEVELS = Rules(order="levels", patience=0)


def job(name: str, gpus: int = 1, **more: object) -> Job:
    return replace(Job(name, "ann", ask=Ask(gpus)), **more)  # type: ignore[arg-type]


def ordered(*waiting: Job, **standing: object) -> list[str]:
    rules = standing.pop("rules", LEVELS)
    where = Standing(rules, 100.0, **standing)  # type: ignore[arg-type]
    return [each.id for _, each in in_order(waiting, where)]


def test_priority_goes_before_all_else() -> None:
    assert ordered(job("a", submitted=1), job("b", submitted=2, priority=1)) == ["b", "a"]


def test_who_stays_within_the_quota_goes_before_who_borrows() -> None:
    rules = replace(LEVELS, quotas={"ann": 2})
    other = replace(job("b", submitted=2), owner="bob")

    assert ordered(job("a", submitted=1), other, rules=rules, running={"ann": 2}) == ["b", "a"]


def test_who_ran_less_goes_first_by_levels_and_among_equals_who_came_first() -> None:
    a = job("a", submitted=1, attained_seconds=130)
    b = job("b", submitted=3, attained_seconds=70)
    c = job("c", submitted=2, attained_seconds=110)

    assert ordered(a, b, c) == ["c", "b", "a"]


def test_what_runs_on_more_gpus_ran_more() -> None:
    a = job("a", gpus=8, submitted=1, attained_seconds=100)
    b = job("b", submitted=2, attained_seconds=130)
    c = job("c", submitted=3, attained_seconds=110)

    assert ordered(a, b, c) == ["c", "a", "b"]


def test_a_tenant_beyond_its_share_loses_a_level_at_each_doubling() -> None:
    mine = job("a", submitted=1)
    other = replace(job("b", submitted=2, attained_seconds=70), owner="bob")
    standing = {"size": 8.0, "wanting": frozenset({"ann", "bob"})}

    assert ordered(mine, other, use={"ann": 4.0}, **standing) == ["a", "b"]
    assert ordered(mine, other, use={"ann": 16.1}, **standing) == ["b", "a"]


def test_who_waited_long_for_what_they_ran_gains_levels() -> None:
    patient = job("a", submitted=0, attained_seconds=130, waited_seconds=5000)

    other = job("b", submitted=1, attained_seconds=70, waiting_since=100)

    assert ordered(other, patient, rules=Rules(order="levels", patience=1)) == ["a", "b"]


@pytest.mark.parametrize(("seconds", "expected"), [(0, 0), (59, 0), (60, 1), (120, 2), (1000, 5)])
def test_levels_double(seconds: float, expected: int) -> None:
    assert level(seconds, 60) == expected


def test_kinds_that_end_soon_are_expected_to() -> None:
    lengths = Lengths()
    for _ in range(200):
        lengths.ended(kind(job("short")), 60)
        lengths.ended(kind(job("long", gpus=8)), 100_000)

    assert lengths.index(kind(job("a")), 0) < 200
    assert lengths.index(kind(job("b", gpus=8)), 0) > 10_000


def test_without_knowledge_who_ran_longer_is_expected_to_run_longer() -> None:
    found = gittins([1 / 41] * 41)[1:30]

    assert found == sorted(found)


def test_use_fades_by_halves() -> None:
    usage = Usage(100)
    usage.change("ann", 8, 0)
    usage.change("ann", -8, 1000)

    assert usage.at(1000)["ann"] == pytest.approx(8, rel=0.01)
    assert usage.at(1100)["ann"] == pytest.approx(4, rel=0.01)


def test_a_gang_gets_whole_hosts_and_its_rest_where_it_fits_best() -> None:
    fleet = Fleet([*hosts(3), host("small", 4)])

    parts = place(fleet, job("a", 8, members=2, rest=Ask(3)))

    assert parts
    assert [part.host for part in parts] == ["n0", "n1", "small"]


def test_a_gang_gets_all_or_nothing() -> None:
    assert place(Fleet(hosts(2)), job("a", 8, members=3)) is None


def test_parts_of_a_gpu_are_shared_before_whole_ones_are_broken() -> None:
    fleet = Fleet([host()])
    first = place(fleet, Job("a", ask=Ask(1, gpu_milli=600)))
    fleet.occupy(first or ())
    second = place(fleet, Job("b", ask=Ask(1, gpu_milli=400)))

    assert [part.gpus for part in (first or ()) + (second or ())] == [("0",), ("0",)]


def test_a_model_that_is_not_asked_for_will_not_do() -> None:
    fleet = Fleet([host("a", model="A"), host("b", model="B")])

    parts = place(fleet, Job("a", ask=Ask(1, models=frozenset({"B"}))))

    assert [part.host for part in parts or ()] == ["b"]


def test_nothing_new_starts_on_a_cordoned_host() -> None:
    assert started(planned([replace(host(), cordoned=True)], [], [job("a")])) == []


def test_hosts_that_have_the_data_are_chosen_among_equals() -> None:
    near = job("a", near={"n1": 1})

    assert planned(hosts(3), [], [near]).starts[0].parts[0].host == "n1"


@pytest.mark.parametrize("milli", [250, 1000])
def test_room_that_is_kept_is_not_given_to_who_has_its_data_there(milli: int) -> None:
    there = [host("n0"), host("n1", 1)]
    running = runs(job("r"), ("n0", "0"))
    head = job("head", 2, submitted=0)
    near = replace(job("near", submitted=1, near={"n0": 2}), ask=Ask(1, gpu_milli=milli))

    found = planned(there, [running], [near, head])
    assert {start.job.id: start.parts[0].host for start in found.starts} == {"near": "n1"}
    assert started(planned(there[:1], [running], [near, head])) == []
    assert started(planned(there[:1], [running], [near])) == ["near"]


def test_who_ends_before_the_first_can_start_passes_it() -> None:
    running = runs(job("r", time_limit=100.0), ("n", "0"))
    head = job("head", 2, submitted=0)
    short = job("short", submitted=1, time_limit=100.0)
    long = job("long", submitted=1, time_limit=101.0)

    assert started(planned([host()], [running], [head, short])) == ["short"]
    assert started(planned([host()], [running], [head, long])) == []


def test_lower_priority_is_stopped_and_only_if_that_is_enough() -> None:
    low = runs(job("low", priority=-1), ("n", "0"))
    equal = runs(job("equal"), ("n", "1"))

    assert stopped(planned([host()], [low, equal], [job("a")])) == [("low", "a")]
    assert stopped(planned([host()], [low, equal], [job("a", 2)])) == []


def test_what_may_be_stopped_is_for_whom_stands_a_level_before_it() -> None:
    yields = runs(job("long", preemptible=True), ("n", "0"))
    new = job("new", preemptible=True, submitted=130)
    rules = replace(LEVELS, minimum_run_seconds=60)
    one = [host(gpus=1)]

    assert stopped(planned(one, [yields], [new], rules, now=130)) == [("long", "new")]
    assert stopped(planned(one, [yields], [new], rules, now=50)) == []


def test_half_a_level_is_enough_to_stop_another_unless_many_wait() -> None:
    rules = Rules(order="levels", patience=0.5)
    longs = [runs(job(f"r{at}", preemptible=True), ("n", str(at))) for at in range(4)]
    back = job("a", preemptible=True, attained_seconds=1000, waited_seconds=312, waiting_since=1000)
    many = [replace(back, id=f"a{at}") for at in range(4)]

    assert len(stopped(planned([host(gpus=4)], longs, [back], rules, now=1000))) == 1
    assert stopped(planned([host(gpus=4)], longs, many, rules, now=1000)) == []


def test_who_may_not_be_stopped_is_not_stopped_by_equals() -> None:
    running = runs(job("r"), ("n", "0"))

    assert stopped(planned([host(gpus=1)], [running], [job("a")], now=9999)) == []


def test_those_are_stopped_who_lose_least() -> None:
    much = runs(job("much", priority=-1, saved_seconds=0), ("n", "0"))
    little = runs(job("little", priority=-1, saved_seconds=900), ("n", "1"))

    assert stopped(planned([host()], [much, little], [job("a")], now=1000)) == [("little", "a")]


def test_the_room_of_who_stops_is_waited_for_and_nobody_else_is_stopped() -> None:
    leaving = runs(job("leaving", priority=-1), ("n", "0"), stopping=True)
    other = runs(job("other", priority=-1), ("n", "1"))

    found = planned([host()], [leaving, other], [job("a"), job("b", submitted=1)])

    assert stopped(found) == [("other", "b")]
    assert [wait.reason for wait in found.waits] == [
        "waits for leaving to stop",
        "waits for other to stop",
    ]


def test_those_who_wait_are_told_where_they_stand_and_when_they_may_start() -> None:
    running = runs(job("r", time_limit=30.0), ("n", "0"), ("n", "1"))
    queue = [job("a", 2, time_limit=40.0), job("b", 2, submitted=1), job("c", 9, submitted=2)]

    found = planned([host()], [running], queue, now=10.0)

    assert [(wait.job, wait.position, wait.estimate) for wait in found.waits] == [
        ("a", 1, 30.0),
        ("b", 2, 70.0),
        ("c", 3, None),
    ]


def test_a_gang_is_told_how_many_nodes_it_waits_for() -> None:
    (wait,) = planned([host()], [], [job("a", 2, members=2)]).waits

    assert wait.reason == "waits for 2 nodes at once, each with 2 GPUs"


GANGS = st.builds(
    lambda gpus, members, priority, preemptible: (gpus, members, priority, preemptible),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(-1, 1),
    st.booleans(),
)


@given(st.lists(GANGS, max_size=12), st.data())
def test_no_device_has_two_holders_and_no_gang_runs_in_part(
    gangs: list[tuple[int, int, int, bool]], data: st.DataObject
) -> None:
    there = hosts(3, gpus=4)
    fleet = Fleet(there)
    empty = free(fleet)
    held: dict[str, Held] = {}
    waiting = {
        f"j{at:02}": job(f"j{at:02}", gpus, members=members, priority=priority, preemptible=yields)
        for at, (gpus, members, priority, yields) in enumerate(gangs)
    }
    for step in range(8):
        now = 100.0 * step
        found = planned(there, list(held.values()), list(waiting.values()), now=now)
        for start in found.starts:
            assert [part.ask for part in start.parts] == list(start.job.asks)
            held[start.job.id] = Held(waiting.pop(start.job.id), start.parts, now)
        for stop in found.stops:
            waiting[stop.job.id] = held.pop(stop.job.id).job
        devices = [
            (part.host, gpu) for each in held.values() for part in each.parts for gpu in part.gpus
        ]
        assert len(devices) == len(set(devices))
        if held:
            held.pop(data.draw(st.sampled_from(sorted(held))))
    for each in held.values():
        fleet.occupy(each.parts)
    for each in held.values():
        fleet.release(each.parts)
    assert free(fleet) == empty


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 500)), max_size=8))
def test_the_room_that_is_kept_for_the_first_is_free_when_it_was_said(
    behind: list[tuple[int, int]],
) -> None:
    running = runs(job("r", time_limit=200.0), *(("n0", str(gpu)) for gpu in range(3)))
    head = job("head", 4, members=2, submitted=0)
    others = [
        job(f"b{at}", gpus, submitted=1 + at, time_limit=float(limit))
        for at, (gpus, limit) in enumerate(behind)
    ]

    found = planned(hosts(2, gpus=4), [running], [head, *others])
    left = [
        Held(start.job, start.parts)
        for start in found.starts
        if start.job.time_limit > running.job.time_limit
    ]

    assert started(planned(hosts(2, gpus=4), left, [head], now=200.0)) == ["head"]
