"""The cluster in memory: who waits, who holds room, and what is under way."""

from datetime import UTC, datetime, timedelta

from google.protobuf.message import Message

from nsml_core.entry import Context, Record, Recorded, encode
from nsml_protos.scheduler_pb2 import Device, Node, NodeCordoned, NodeJoined, Work
from nsml_protos.session_pb2 import (
    Completed,
    GangMember,
    MemoChanged,
    Mount,
    Placed,
    Requested,
    Resources,
    Spec,
    Started,
    Stopped,
    StopRequested,
)
from nsml_scheduler import decide, queue
from nsml_scheduler.cluster import Cluster, Placement
from nsml_scheduler.state import NODE, WORK
from tests.deciders.given import NOON, given

JOINED = NodeJoined(name="n", devices=[Device(id="0")], cpus=4, memory_bytes=100)


def entry(subject: str, *events: Message, seconds: float = 0) -> Recorded:
    time = NOON.replace(tzinfo=UTC) + timedelta(seconds=seconds)
    context = Context(f"id-{subject}", time, "user:ann", "request", "trace")
    return Record(1, subject, encode(context, b"", events)).decode()


def requested(
    number: int, gpus: int = 1, seconds: float | None = None, cpus: int = 0, owner: str = "ann"
) -> Recorded:
    name = f"{owner}/None/{number}"
    spec = Spec(resources=Resources(gpus=gpus, cpus=cpus))
    return entry(
        f"nsml.session.{owner}.None.{number}",
        Requested(name=name, owner=owner, spec=spec),
        seconds=number if seconds is None else seconds,
    )


def happened(number: int, *events: Message, seconds: float = 0) -> Recorded:
    return entry(f"nsml.session.ann.None.{number}", *events, seconds=seconds)


def with_one_device(*entries: Recorded) -> Cluster:
    cluster = Cluster()
    cluster.learn([entry("nsml.scheduler.n", JOINED), *entries])
    return cluster


def names(works: list[Work]) -> list[str]:
    return [work.session for work in works]


def test_first_come_first() -> None:
    cluster = with_one_device(
        requested(2, seconds=5), requested(1, seconds=7), requested(10, seconds=1)
    )

    assert names(cluster.queue()) == ["ann/None/10", "ann/None/2", "ann/None/1"]


def test_who_is_placed_holds_room_until_the_end() -> None:
    placed = Placed(attempt=1, node="n", devices=["0"])
    cluster = with_one_device(requested(1), happened(1, placed), requested(2))

    assert (names(cluster.holding()), names(cluster.queue())) == (["ann/None/1"], ["ann/None/2"])
    assert not cluster.plan(0).starts

    cluster.learn([happened(1, Completed(attempt=1))])

    assert [start.job.id for start in cluster.plan(0).starts] == ["ann/None/2"]


def test_what_is_under_way_keeps_its_room_until_it_is_in_the_log() -> None:
    cluster = with_one_device(requested(1), requested(2))
    (start,) = cluster.plan(0).starts
    placement = cluster.placement(start)
    cluster.under_way[placement.session] = placement

    assert not cluster.plan(0).starts
    cluster.explain(0)
    assert list(cluster.waits) == ["ann/None/2"]

    cluster.learn([happened(1, Placed(attempt=1, node="n", devices=["0"]))])

    assert not cluster.under_way
    assert names(cluster.holding()) == ["ann/None/1"]


def test_a_session_stopped_while_it_was_being_placed_gives_its_room_back() -> None:
    cluster = with_one_device(requested(1))
    cluster.under_way["ann/None/1"] = Placement(
        "ann/None/1", "ann", 1, (GangMember(node="n", devices=["0"]),), Resources(gpus=1)
    )

    cluster.learn([happened(1, StopRequested(reason="x"), Stopped(reason="x"))])

    assert (cluster.works, cluster.under_way, cluster.origins) == ({}, {}, {})


def test_who_has_no_credit_holds_no_room_while_they_wait() -> None:
    cluster = with_one_device(requested(1), requested(2))
    cluster.parked["ann/None/1"] = "waits for credit"

    cluster.explain(0)

    assert [start.job.id for start in cluster.plan(0).starts] == ["ann/None/2"]
    assert not cluster.waits
    said = {line.work.session: line.reason for line in queue.lines(cluster, 0)}
    assert said["ann/None/1"] == "waits for credit"


def test_an_estimate_follows_from_how_long_such_sessions_ran() -> None:
    cluster = with_one_device()
    for number in range(30):
        placed = Placed(attempt=1, node="n", devices=["0"])
        cluster.learn([requested(number, seconds=0), happened(number, placed, Started())])
        cluster.learn([happened(number, Completed(), seconds=3600)])
    placed = Placed(attempt=1, node="n", devices=["0"])
    cluster.learn([requested(100), happened(100, placed, Started(), seconds=0), requested(101)])
    now = NOON.replace(tzinfo=UTC).timestamp()

    cluster.explain(now)

    estimate = cluster.waits["ann/None/101"].estimate
    assert estimate is not None
    assert 1800 < estimate - now < 7200


def test_without_gpus_shares_are_of_what_is_used_most() -> None:
    cluster = Cluster()
    cluster.learn([entry("nsml.scheduler.n", NodeJoined(name="n", cpus=4, memory_bytes=100))])
    cluster.learn([requested(1, gpus=0, cpus=4), happened(1, Placed(attempt=1, node="n"))])
    cluster.learn([happened(1, Completed(), seconds=200_000)])
    cluster.learn([requested(2, gpus=0, cpus=4, seconds=200_001)])
    cluster.learn([requested(3, gpus=0, cpus=4, seconds=200_002, owner="bob")])

    now = NOON.replace(tzinfo=UTC).timestamp() + 200_003
    assert [start.job.id for start in cluster.plan(now).starts] == ["bob/None/3"]


def test_who_waits_for_a_cordoned_node_is_told_so() -> None:
    cluster = with_one_device(requested(1))
    cluster.learn([entry("nsml.scheduler.n", NodeCordoned(reason="mended"))])

    cluster.explain(0)

    assert cluster.waits["ann/None/1"].reason == "waits for node n, which takes nothing new now"


def test_a_session_goes_where_its_data_and_image_are() -> None:
    cluster = Cluster()
    for node in ("a", "b", "c"):
        joined = NodeJoined(name=node, devices=[Device(id="0"), Device(id="1")], cpus=4)
        cluster.learn([entry(f"nsml.scheduler.{node}", joined)])
    mnist, cifar = Mount(tree="m"), Mount(tree="c")
    specs = {"a": Spec(datasets=[cifar], image="x"), "b": Spec(datasets=[mnist], image="x")}
    specs["c"] = Spec(datasets=[mnist], image="y")
    for number, (node, spec) in enumerate(specs.items()):
        subject, name = f"nsml.session.ann.None.{number}", f"ann/None/{number}"
        placed = Placed(attempt=1, node=node)
        asked = Requested(name=name, owner="ann", spec=spec)
        cluster.learn([entry(subject, asked), entry(subject, placed, Started())])
        cluster.learn([entry(subject, Completed())])

    def goes(spec: Spec) -> tuple[str, str]:
        spec.resources.gpus = 2
        name = "ann/None/9"
        cluster.learn([entry("nsml.session.ann.None.9", Requested(name=name, spec=spec))])
        (start,) = cluster.plan(0).starts
        return start.parts[0].host, cluster.placement(start).because

    assert goes(Spec(datasets=[mnist], image="y")) == ("c", "c had its data and its image already")
    assert goes(Spec(datasets=[mnist], image="x")) == ("b", "b had its data and its image already")
    assert goes(Spec(datasets=[cifar], image="z")) == ("a", "a had its data already")
    assert goes(Spec(image="z"))[1] == ""


def test_what_does_not_concern_room_is_not_learnt() -> None:
    cluster = with_one_device(happened(1, MemoChanged(memo="x")))

    assert not cluster.works


def test_a_node_that_has_not_changed_is_no_news() -> None:
    given(NODE).when(lambda state: decide.join(state, JOINED)).then_once(JOINED)
    more = NodeJoined(name="n", devices=[Device(id="0")], cpus=5, memory_bytes=100)
    given(NODE, JOINED).when(lambda state: decide.join(state, more)).then_once(more)


def test_a_node_is_as_it_last_joined() -> None:
    fewer = NodeJoined(name="n", cpus=1, memory_bytes=1)

    state = given(NODE, JOINED, fewer).state

    expected = Node(name="n", cpus=1, memory_bytes=1)
    expected.joined.FromDatetime(NOON + timedelta(seconds=1))
    assert state == expected


def test_an_ended_claim_is_none() -> None:
    ended = given(WORK, Requested(name="s", owner="a"), Placed(attempt=1, node="n"), Stopped())

    assert ended.state == Work()


def test_a_claim_remembers_when_it_came() -> None:
    claim = given(WORK, Requested(name="s", owner="a"), Placed(attempt=1, node="n")).state

    assert claim.queued.ToDatetime(UTC) == NOON.replace(tzinfo=UTC)
    assert isinstance(claim.queued.ToDatetime(UTC), datetime)
