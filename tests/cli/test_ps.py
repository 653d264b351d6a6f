"""`nsml ps` as people and scripts read it."""

import json
import math
from collections.abc import Callable

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from nsml_protos import session_pb2
from tests.cli.conftest import Peer, Result

Run = Callable[..., Result]


def row(number: int = 1, **fields: object) -> session_pb2.SessionRow:
    session = session_pb2.Session(
        name=f"ann/mnist/{number}",
        owner="ann",
        status=session_pb2.RUNNING,
        created=Timestamp(seconds=1_800_000_000),
        spec=session_pb2.Spec(entry="main.py", args=["--lr", "0.1"], code_bytes=1024),
    )
    session.MergeFrom(session_pb2.Session(**fields))  # type: ignore[arg-type]
    return session_pb2.SessionRow(
        session=session, summary={"loss": 0.25, "acc": 0.987654321}, checkpoint_bytes=1024
    )


def listing(*rows: session_pb2.SessionRow) -> session_pb2.ListSessionsReply:
    return session_pb2.ListSessionsReply(sessions=rows)


def test_columns_in_a_pipe_are_aligned_and_whole(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/List", listing(row(1, memo="a long memo " * 20), row(10, memo="short")))

    head, first, second = nsml("ps").out.splitlines()

    assert head.split() == (
        ["Name", "Created", "Args", "Status", "Summary", "Description", "#Models", "Size", "Type"]
    )
    assert first.index("a long memo") == second.index("short") == head.index("Description")
    assert first.startswith("ann/mnist/1   2027-01-15T08:00:00.000Z  --lr 0.1  Running")
    assert "acc=0.987654, loss=0.25" in first
    assert "2.00 KB" in first


def test_a_queued_session_says_what_it_waits_for(peer: Peer, nsml: Run) -> None:
    queued = row(status=session_pb2.QUEUED, reason="It waits for 2 GPUs; 1 is free.")
    peer.answer("Sessions/List", listing(queued))

    assert "Queued (It waits for 2 GPUs; 1 is free)" in nsml("ps").out


def test_only_names(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/List", listing(row(1), row(2)))

    assert nsml("ps", "-q").out == "ann/mnist/1\nann/mnist/2\n"


def test_options_reach_the_service(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/List", listing())

    assert nsml("ps", "-a", "-d", "mnist", "-n", "3", "-s", "mnist/1?", "--tag", "a*").code == 0

    (request,) = peer.requests("Sessions/List")
    assert request == session_pb2.ListSessionsRequest(
        all=True, dataset="mnist", limit=3, pattern="ann/mnist/1?", tag="a*"
    )


def test_json_has_null_for_what_is_no_finite_number(peer: Peer, nsml: Run) -> None:
    one = row()
    one.summary.update({"loss": math.nan, "best": math.inf, "acc": 0.5})
    peer.answer("Sessions/List", listing(one))

    said = nsml("ps", "-j").out

    (shown,) = json.loads(said, parse_constant=pytest.fail)
    assert shown["summary"] == {"loss": None, "best": None, "acc": 0.5}


def test_json_is_the_documented_shape(peer: Peer, nsml: Run) -> None:
    attempt = session_pb2.Attempt(number=1, node="box", devices=["0"])
    peer.answer("Sessions/List", listing(row(attempts=[attempt])))

    (shown,) = json.loads(nsml("ps", "-j").out)

    assert shown == {
        "name": "ann/mnist/1",
        "owner": "ann",
        "type": "normal",
        "status": "Running",
        "reason": "",
        "created": "2027-01-15T08:00:00.000Z",
        "started": None,
        "ended": None,
        "entry": "main.py",
        "args": ["--lr", "0.1"],
        "datasets": [],
        "memo": "",
        "tags": [],
        "gpus": 0,
        "cpus": 0,
        "memory_bytes": 0,
        "nodes": 1,
        "node": "box",
        "devices": ["0"],
        "members": [{"rank": 0, "node": "box", "devices": ["0"]}],
        "attempt": 1,
        "summary": {"loss": 0.25, "acc": 0.987654321},
        "models": 0,
        "bytes": 2048,
        "parent": None,
        "start": None,
        "zombie_since": None,
        "restarts": 0,
        "restarted": 0,
    }


def test_hostile_text_is_shown_and_not_carried_out(peer: Peer, nsml: Run) -> None:
    memo = "\x1b]0;owned\x07\x9b31m\u202egnp.exe\r\nforged line"
    peer.answer("Sessions/List", listing(row(memo=memo)))

    plain, as_json = nsml("ps").out, nsml("ps", "-j").out

    assert r"\x1b]0;owned\x07\x9b31m\u202egnp.exe forged line" in plain
    assert len(plain.splitlines()) == 2
    assert all(character not in plain + as_json for character in "\x1b\x07\x9b\u202e\r")
    assert json.loads(as_json)[0]["memo"] == memo


def test_where_one_has_several_nodes_all_nodes_are_named(peer: Peer, nsml: Run) -> None:
    gang = [session_pb2.GangMember(rank=at, node=f"n{at}", devices=["0"]) for at in range(2)]
    tried = session_pb2.Attempt(number=1, node="n0", devices=["0"], members=gang)
    placed = session_pb2.Attempt(number=1, node="n7")
    peer.answer("Sessions/List", listing(row(1, attempts=[tried]), row(2, attempts=[placed])))

    head, first, second = nsml("ps").out.splitlines()
    assert head.split()[-1] == "Nodes"
    assert (first[head.index("Nodes") :], second[head.index("Nodes") :]) == ("n0 n1", "n7")

    one, other = json.loads(nsml("ps", "-j").out)
    assert one["members"] == [{"rank": at, "node": f"n{at}", "devices": ["0"]} for at in range(2)]
    assert [member["node"] for member in other["members"]] == ["n7"]
