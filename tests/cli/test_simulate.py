"""`nsml simulate`: the real planner on traces small enough to know the answer."""

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from nsml_protos import scheduler_pb2 as sched
from nsml_protos import session_pb2 as pb
from tests.cli.conftest import Peer, Result

Run = Callable[..., Result]

TRACES = Path(__file__).parents[2] / "bench/traces"
JOBS = "submit_s,duration_s,num_gpus,tenant\n0,100,1,ann\n10,20,2,bob\n20,30,1,ann\n"
PODS = "cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n1000,1,1,500,\n2000,1,1,1000,A|B\n"
NODES = "sn,cpu_milli,memory_mib,gpu,model\na,8000,64,2,A\nb,8000,64,2,C\n"


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "jobs.csv"
    path.write_text(JOBS)
    return path


def test_policies_are_compared_side_by_side(nsml: Run, trace: Path) -> None:
    found = nsml("simulate", str(trace), "--nodes", "1x2", "--policy", "fifo,easy", "-j")

    policies = json.loads(found.out)["policies"]
    # In order nobody passes: bob waits until 100, and ann's second until 120.
    assert policies["fifo"]["wait_mean"] == pytest.approx((0 + 90 + 100) / 3)
    # Told how long each runs, ann's second fits before bob can start.
    assert policies["easy"]["wait_mean"] == pytest.approx((0 + 90 + 0) / 3)


def test_people_read_a_table(nsml: Run, trace: Path) -> None:
    found = nsml("simulate", str(trace), "--nodes", "1x2", "--policy", "default")

    assert found.code == 0
    titles, row = found.out.splitlines()
    assert titles.split()[:3] == ["POLICY", "MEAN", "WAIT"]
    assert row.split()[0] == "default"
    assert "1 node, 2 GPUs" in found.err


def test_each_stretch_of_running_is_written(nsml: Run, trace: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    nsml("simulate", str(trace), "--nodes", "1x2", "--policy", "fifo", "--log", str(log))

    rows = list(csv.DictReader(log.read_text().splitlines()))
    assert [(row["start_s"], row["stop_s"], row["alloc"]) for row in rows] == [
        ("0.0", "100.0", "1.0"),
        ("100.0", "120.0", "2.0"),
        ("120.0", "150.0", "1.0"),
    ]


def test_without_nodes_there_are_enough(nsml: Run, trace: Path) -> None:
    assert json.loads(nsml("simulate", str(trace), "-j").out)["nodes"] == 2


def test_needs_fill_a_fleet(nsml: Run, tmp_path: Path) -> None:
    pods, nodes = tmp_path / "pods.csv.gz", tmp_path / "nodes.csv"
    pods.write_bytes(gzip.compress(PODS.encode()))
    nodes.write_text(NODES)

    found = json.loads(nsml("simulate", str(pods), "--nodes", str(nodes), "-j").out)

    assert (found["nodes"], found["gpus"]) == (2, 4)
    assert 0 < found["policies"]["default"]["allocated"] <= 1


def test_real_needs_leave_less_than_best_fit_does(nsml: Run) -> None:
    words = (str(TRACES / "openb-gpuspec25.csv"), "--nodes", str(TRACES / "openb-nodes.csv"), "-j")
    found = json.loads(nsml("simulate", *words).out)

    allocated = {name: figures["allocated"] for name, figures in found["policies"].items()}
    assert (found["nodes"], found["gpus"]) == (152, 770)
    assert allocated["default"] > 0.95
    assert allocated["best-fit"] < 0.90


def test_a_trace_is_found_in_the_folder_of_traces(
    nsml: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("simulate", "openb-default.csv", "--nodes", "openb-nodes.csv", "-j")
    assert nsml(*words).code == 3

    monkeypatch.setenv("NSML_TRACES", str(TRACES))
    found = json.loads(nsml(*words).out)

    assert (found["nodes"], found["gpus"]) == (152, 770)


@pytest.mark.parametrize(
    ("text", "words", "code", "said"),
    [
        ("a,b\n1,2\n", (), 2, "has no column submit_s, duration_s, num_gpus: a trace of jobs"),
        ("submit_s,num_gpus\n1,2\n", (), 2, "has no column duration_s"),
        ("", (), 2, "has no rows"),
        (JOBS.replace("100", "soon"), (), 2, "has 'soon' in column duration_s"),
        (JOBS, ("--policy", "best"), 2, "no policy 'best' for this trace: fifo, easy"),
        (JOBS, ("--nodes", "absent.csv"), 3, "There is no file absent.csv"),
        (JOBS, ("--weight", "eve=2"), 2, "--weight is TENANT=NUMBER"),
        (JOBS, ("--since", "1d"), 2, "Name a trace, or say --history"),
        (PODS, (), 2, "only needs: name its nodes, with --nodes FILE"),
    ],
)
def test_what_cannot_be_replayed_is_said_in_a_sentence(
    nsml: Run, tmp_path: Path, text: str, words: tuple[str, ...], code: int, said: str
) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(text)

    found = nsml("simulate", str(path), *words)

    assert found.code == code
    assert said in found.err
    assert "Traceback" not in found.err


def test_the_platforms_own_past_is_a_trace(nsml: Run, peer: Peer) -> None:
    def session(number: int, gpus: int, seconds: int) -> pb.SessionRow:
        attempt = pb.Attempt(
            placed=Timestamp(seconds=1000), ended=Timestamp(seconds=1000 + seconds)
        )
        spec = pb.Spec(resources=pb.Resources(gpus=gpus, cpus=1))
        one = pb.Session(name=f"ann/None/{number}", owner="ann", spec=spec, attempts=[attempt])
        one.created.seconds = 900 + number
        return pb.SessionRow(session=one)

    peer.answer(
        "Sessions/List", pb.ListSessionsReply(sessions=[session(1, 1, 50), session(2, 1, 9)])
    )
    node = sched.Node(name="box", cpus=4, memory_bytes=100, devices=[sched.Device(id="0")])
    peer.answer("Scheduler/Cluster", sched.ClusterReply(nodes=[sched.NodeUse(node=node)]))

    found = json.loads(nsml("simulate", "--history", "--policy", "fifo", "-j").out)

    assert (found["nodes"], found["gpus"]) == (1, 1)
    assert found["policies"]["fifo"]["wait_mean"] == pytest.approx(49 / 2)
