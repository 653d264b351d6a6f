"""`nsml stop | rm | memo | show | status SESSION`."""

import json
from collections.abc import Callable

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from nsml_core import errors
from nsml_protos import session_pb2
from tests.cli.conftest import Peer, Result

Run = Callable[..., Result]


def listing(*numbers: int) -> session_pb2.ListSessionsReply:
    names = (f"ann/mnist/{number}" for number in numbers)
    rows = [session_pb2.SessionRow(session=session_pb2.Session(name=name)) for name in names]
    return session_pb2.ListSessionsReply(sessions=rows)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (session_pb2.RUNNING, "is stopping"),
        (session_pb2.STOPPED, "is stopped"),
        (session_pb2.EXITED, "had ended"),
    ],
)
def test_stop_says_what_came_of_it(
    peer: Peer, nsml: Run, status: "session_pb2.Status.ValueType", said: str
) -> None:
    peer.answer("Sessions/Stop", session_pb2.Session(name="ann/mnist/1", status=status))

    assert nsml("stop", "mnist/1", "-m", "enough") == (0, f"Session ann/mnist/1 {said}\n", "")
    assert peer.requests("Sessions/Stop") == [
        session_pb2.StopRequest(name="ann/mnist/1", reason="enough")
    ]


def test_a_pattern_stops_what_lives_and_matches(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/List", listing(1, 2))
    peer.answer("Sessions/Stop", session_pb2.Session(status=session_pb2.STOPPED))

    result = nsml("stop", "mnist/?", "mnist/1", "bob/x/1")

    assert result.code == 0
    assert peer.requests("Sessions/List") == [
        session_pb2.ListSessionsRequest(all=False, pattern="ann/mnist/?")
    ]
    stopped = [request.name for request in peer.requests("Sessions/Stop")]
    assert stopped == ["ann/mnist/1", "ann/mnist/2", "bob/x/1"]


@pytest.mark.parametrize("command", ["stop", "rm"])
def test_a_pattern_that_matches_nothing(peer: Peer, nsml: Run, command: str) -> None:
    peer.answer("Sessions/List", listing())

    result = nsml(command, "mnist/9*")

    assert result.code == 3
    assert "matches 'mnist/9*': `nsml ps -a` lists them." in result.err


def test_one_that_cannot_be_removed_does_not_keep_the_others(peer: Peer, nsml: Run) -> None:
    def remove(request: session_pb2.RemoveSessionRequest) -> session_pb2.RemoveSessionReply:
        if request.name.endswith("/2"):
            raise errors.Refused("ann/mnist/2 has not ended.")
        return session_pb2.RemoveSessionReply()

    peer.answer("Sessions/List", listing(1, 2, 3))
    peer.answer("Sessions/Remove", remove)

    result = nsml("rm", "ann/mnist/*")

    assert result == (
        1,
        "Session ann/mnist/1 is removed\nSession ann/mnist/3 is removed\n",
        "Error: ann/mnist/2 has not ended.\n",
    )
    assert [request.force for request in peer.requests("Sessions/Remove")] == [False] * 3


def test_force_reaches_the_service(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/Remove", session_pb2.RemoveSessionReply())

    assert nsml("rm", "-f", "mnist/1").code == 0
    assert peer.requests("Sessions/Remove")[0].force


def test_a_memo_may_be_anything(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/SetMemo", session_pb2.Session())

    assert nsml("memo", "mnist/1", "새 메모 --lr") == (0, "", "")
    assert nsml("memo", "mnist/1", "").code == 0
    assert [request.memo for request in peer.requests("Sessions/SetMemo")] == ["새 메모 --lr", ""]


def known() -> session_pb2.Session:
    return session_pb2.Session(
        name="ann/mnist/1",
        owner="ann",
        status=session_pb2.STOPPED,
        created=Timestamp(seconds=1_800_000_000),
        ended=Timestamp(seconds=1_800_000_090),
        spec=session_pb2.Spec(
            datasets=[session_pb2.Mount(dataset="mnist", revision=3)],
            code_tree="c" * 64,
            entry="main.py",
            args=["--name", "a b"],
            env={"SECRET": "x\x1b[2J"},
            resources=session_pb2.Resources(gpus=1, cpus=2, memory_bytes=8 << 30),
            seed=7,
        ),
        attempts=[
            session_pb2.Attempt(
                number=1,
                node="box",
                devices=["0"],
                placed=Timestamp(seconds=1_800_000_001),
                started=Timestamp(seconds=1_800_000_005),
                ended=Timestamp(seconds=1_800_000_090),
                environment="e",
                packages=["a==1", "b==2"],
                python="3.11",
            )
        ],
        checkpoints=[session_pb2.Checkpoint(name="10", bytes=2048, summary={"loss": 0.5})],
        outcome=session_pb2.Outcome(signal=15),
        stop_reason="enough",
        stop_actor="user:ann",
    )


def listed(**values: float) -> session_pb2.ListSessionsReply:
    """What `ps` knows of it, after another whose name looks like a pattern for it."""
    other = session_pb2.SessionRow(session=session_pb2.Session(name="ann/mnist/11"))
    other.summary["loss"] = 9
    row = session_pb2.SessionRow(session=known(), summary=values)
    return session_pb2.ListSessionsReply(sessions=[other, row])


def test_every_package_is_shown_on_demand(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/Get", known())
    peer.answer("Sessions/History", session_pb2.HistoryReply())
    peer.answer("Sessions/List", listed())

    assert "\nPackages of attempt 1, for Python 3.11\na==1\nb==2\n" in (
        nsml("show", "mnist/1", "-v").out
    )
    assert "a==1" not in nsml("show", "mnist/1").out


def test_show_tells_everything(peer: Peer, nsml: Run) -> None:
    line = session_pb2.HistoryLine(sequence=4, event="Placed", actor="service:scheduler")
    peer.answer("Sessions/Get", known())
    peer.answer("Sessions/History", session_pb2.HistoryReply(lines=[line]))
    peer.answer("Sessions/List", listed(loss=0.25))

    out = nsml("show", "mnist/1").out

    for expected in (
        "Status       Stopped",
        "Command      python -u main.py --name 'a b'",
        r"Environment  SECRET=x\x1b[2J",
        "Datasets     mnist@3",
        "Memory       8.00 GB",
        "Stop asked   enough by user:ann",
        "Summary      loss=0.25",
        "      1  box   0        2027-01-15T08:00:01.000Z   1m 25s  e                   2",
        "10                 loss=0.5  2.00 KB",
        "      Placed  service:scheduler",
    ):
        assert expected in out


def test_show_as_json_is_the_documented_shape(peer: Peer, nsml: Run) -> None:
    detail = '{"attempt": 2, "node": "box", "devices": ["0"]}'
    line = session_pb2.HistoryLine(sequence=4, event="Placed", actor="a", detail=detail)
    peer.answer("Sessions/Get", known())
    peer.answer("Sessions/History", session_pb2.HistoryReply(lines=[line]))
    peer.answer("Sessions/List", listed(loss=0.25))

    shown = json.loads(nsml("show", "mnist/1", "-j").out)

    assert shown["status"] == "Stopped"
    assert shown["env"] == {"SECRET": "x\x1b[2J"}
    assert shown["outcome"] == {
        "exit_code": None,
        "signal": 15,
        "out_of_memory": False,
        "time_limit": False,
        "message": "",
        "output_tree": "",
    }
    assert shown["summary"] == {"loss": 0.25}
    assert shown["attempts"][0]["started"] == "2027-01-15T08:00:05.000Z"
    assert shown["attempts"][0]["packages"] == ["a==1", "b==2"]
    assert shown["checkpoints"][0]["summary"] == {"loss": 0.5}
    assert shown["history"] == [
        {
            "sequence": 4,
            "time": None,
            "actor": "a",
            "event": "Placed",
            "detail": detail,
            "request_id": "",
            "trace_id": "",
            "meaning": "placed on node box with GPU 0 as attempt 2",
        }
    ]


def test_status_of_one_session(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/Get", known())

    assert nsml("status", "mnist/1").out == "Stopped\n"
    assert json.loads(nsml("status", "mnist/1", "-j").out) == {
        "name": "ann/mnist/1",
        "status": "Stopped",
        "reason": "",
        "zombie_since": None,
    }
