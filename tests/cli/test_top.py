"""`nsml top`: one picture for pipes, and a screen with keys in a real terminal."""

import json
import signal
from collections.abc import Callable

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from nsml_core import errors
from nsml_protos import scheduler_pb2 as sched
from nsml_protos import session_pb2 as pb
from tests.cli import terminal
from tests.cli.conftest import Peer, Result

Run = Callable[..., Result]

GIB = 1 << 30


def work(number: int, owner: str = "ann", **fields: object) -> sched.Work:
    one = sched.Work(
        session=f"{owner}/mnist/{number}",
        owner=owner,
        resources=pb.Resources(cpus=2, gpus=1, memory_bytes=8 * GIB),
        queued=Timestamp(seconds=1_700_000_000),
    )
    one.MergeFrom(sched.Work(**fields))  # type: ignore[arg-type]
    return one


CLUSTER = sched.ClusterReply(
    nodes=[
        sched.NodeUse(
            node=sched.Node(
                name="box",
                cpus=16,
                memory_bytes=64 * GIB,
                devices=[sched.Device(id=str(n), model="H200", memory_bytes=GIB) for n in range(3)],
            ),
            running=[
                work(1, node="box", devices=["0"]),
                work(2, node="box", devices=["1"]),
                work(7, owner="bob", node="box", devices=["2"], stopping=True),
            ],
        )
    ],
    queue=[work(3)],
)
WAITING = pb.Session(name="ann/mnist/3", status=pb.QUEUED, reason="It waits for\x1b]0;o\x07 1 GPU.")


def used(name: str, cores: float, busy: float) -> pb.SessionUsage:
    usage = pb.Usage(
        time_us=1_800_000_000_000_000,
        cpu_cores=cores,
        memory_bytes=GIB,
        gpu_utilization=[busy],
        gpu_memory_bytes=[GIB // 2],
    )
    return pb.SessionUsage(name=name, attempt=1, usage=usage)


@pytest.fixture
def cluster(peer: Peer) -> Peer:
    """One node with three devices, all given away, and a session that waits."""
    running = [pb.Session(name=f"ann/mnist/{number}", status=pb.RUNNING) for number in (1, 2)]
    rows = [pb.SessionRow(session=one) for one in (*running, WAITING)]
    usage = [used("ann/mnist/1", 0.5, 0.25), used("ann/mnist/2", 1.75, 0.75)]
    peer.answer("Scheduler/Cluster", CLUSTER)
    peer.answer("Sessions/List", pb.ListSessionsReply(sessions=rows))
    peer.answer("Sessions/Usage", pb.UsageReply(sessions=usage))
    return peer


def test_a_pipe_gets_one_picture(cluster: Peer, nsml: Run) -> None:
    code, out, err = nsml("top", "--once")

    assert (code, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "box 6 of 16 2.25 24.00 GB of 64.00 GB 2.00 GB 3 of 3 50%" in lines
    assert "box 1 H200 75% 512.00 MB of 1.00 GB ann/mnist/2" in lines
    assert "box 2 H200 of 1.00 GB bob/mnist/7" in lines
    [mine] = [line for line in out.splitlines() if line.startswith("ann/mnist/2")]
    assert "1.75 of 2  1.00 GB of 8.00 GB  1:75%   512.00 MB" in mine
    [others] = [line for line in out.splitlines() if line.startswith("bob/mnist/7")]
    assert "Stopping" in others
    assert r"Queued (It waits for\x1b]0;o\x07 1 GPU)" in out
    [request] = cluster.requests("Sessions/Usage")
    assert list(request.names) == ["ann/mnist/1", "ann/mnist/2", "bob/mnist/7"]
    assert nsml("top").out == out  # without a terminal there is nobody to press keys


@pytest.mark.usefixtures("cluster")
def test_json_is_the_documented_shape(nsml: Run) -> None:
    shown = json.loads(nsml("top", "-j").out)

    assert shown["nodes"][0]["devices"][0] == {"id": "0", "model": "H200", "memory_bytes": GIB}
    assert shown["sessions"][0] == {
        "name": "ann/mnist/1",
        "owner": "ann",
        "status": "Running",
        "node": "box",
        "devices": ["0"],
        "cpus": 2,
        "memory_bytes": 8 * GIB,
        "queued": "2023-11-14T22:13:20.000Z",
        "usage": {
            "time": "2027-01-15T08:00:00.000Z",
            "cpu_cores": 0.5,
            "memory_bytes": GIB,
            "gpu_utilization": [0.25],
            "gpu_memory_bytes": [GIB // 2],
        },
    }
    assert [one["usage"] is None for one in shown["sessions"]] == [False, False, True, True]


def test_a_platform_that_is_away_is_an_error(cluster: Peer, nsml: Run) -> None:
    cluster.answer("Scheduler/Cluster", errors.Unavailable("The service is stopping."))

    assert nsml("top") == (5, "", "Error: The service is stopping.\n")


def first_session(text: str) -> str:
    """The session that stands highest."""
    names = [word for word in text.split() if word.count("/") == 2]
    return names[-4]


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_the_screen_is_kept_up_to_date_and_given_back(cluster: Peer, size: tuple[int, int]) -> None:
    with terminal.opened("top", "-n", "0.2", size=size) as person:
        text = person.shows("ann/mnist/3", "q Quit", "2.25")
        assert first_session(text) == "ann/mnist/1"
        cluster.answer("Sessions/Usage", pb.UsageReply(sessions=[used("ann/mnist/2", 1.5, 1.0)]))
        person.shows("1.50 of 2", "1:100%")
        cluster.answer("Sessions/Usage", errors.Unavailable("The service is stopping."))
        person.shows("The service is stopping.")
        person.resize(120, 30)
        person.shows("4 sessions.")
        person.press("q")

        assert person.ends() == 0
        assert person.settings == person.before
    assert person.raw.rindex(b"\x1b[?1049l") > person.raw.rindex(b"\x1b[?1049h")
    assert person.raw.rindex(b"\x1b[?25h") > person.raw.rindex(b"\x1b[?25l")


def test_keys_sort_and_show_a_log(cluster: Peer) -> None:
    pieces = [pb.LogPiece(data=b"\x1b[31mloss\x1b[0m \x1b]0;owned\x07 %d\n" % n) for n in range(9)]
    cluster.answer("Sessions/Logs", [pb.LogsReply(pieces=pieces)])

    with terminal.opened("top", "-n", "0.2") as person:
        assert first_session(person.shows("ann/mnist/3")) == "ann/mnist/1"
        person.press("sss")
        assert first_session(person.shows("CPU*")) == "ann/mnist/2"
        person.press("r")
        person.shows("CPU*")
        person.press("\r")
        person.shows(r"loss \x1b]0;owned\x07 8", "Back", without="Sort")
        person.press("\x1b")
        person.shows("Sort")
        person.press("\x03")

        assert person.ends() == 0
        assert person.settings == person.before
    [request] = cluster.requests("Sessions/Logs")
    assert (request.lines, request.follow) == (True, True)


@pytest.mark.usefixtures("cluster")
def test_a_signal_gives_the_terminal_back() -> None:
    with terminal.opened("top", NO_COLOR="1") as person:
        person.shows("q Quit")

        person.ends(signal.SIGTERM)
        assert person.settings == person.before
    assert b"\x1b[?1049l" in person.raw
