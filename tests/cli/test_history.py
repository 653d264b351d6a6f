"""Events in plain words, followed and made harmless; waits read off them; diffs of code."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from nsml_cli import events
from nsml_cli.commands import history
from nsml_client.codediff import changes
from nsml_client.waits import waits
from nsml_core.errors import Exhausted, Refused
from nsml_protos import session_pb2
from nsml_session.state import Event
from tests.cli.conftest import Peer, Result

Run = Callable[..., Result]
NOON = 1_800_000_000


def line(number: int, event: str, actor: str = "user:ann", **detail: object) -> object:
    return session_pb2.HistoryLine(
        sequence=number,
        time=Timestamp(seconds=NOON + number),
        actor=actor,
        event=event,
        detail=json.dumps(detail),
        request_id="r" * 32,
        traceparent=f"00-{'a' * 32}-{'b' * 16}-01",
    )


def told(*lines: object) -> session_pb2.HistoryReply:
    return session_pb2.HistoryReply(lines=lines)  # type: ignore[arg-type]


def test_every_event_has_words() -> None:
    assert {kind.__name__ for kind in get_args(Event)} == set(events.WORDS)


@pytest.mark.parametrize("event", sorted(events.WORDS))
def test_words_do_without_what_an_event_does_not_say(event: str) -> None:
    assert events.meaning(event, "{}")


def test_an_event_of_a_newer_platform_is_shown_as_it_is() -> None:
    assert events.meaning("Teleported", '{"to": "mars"}') == 'Teleported {"to": "mars"}'


def test_numbers_that_are_none_are_words_too() -> None:
    point = {"name": "1", "bytes": "2048", "summary": {"loss": "NaN", "acc": "Infinity"}}

    said = events.meaning("CheckpointSaved", json.dumps({"checkpoint": point}))

    assert said == "saved checkpoint 1: 2.00 KB, acc=inf, loss=nan"


def test_when_who_and_what(peer: Peer, nsml: Run) -> None:
    runner = "runner:ann/mnist/1#2"
    placed = line(12, "Placed", "service:scheduler", attempt=2, node="vm", devices=["0"])
    ended = line(13, "Failed", runner, attempt=2, outcome={"message": "\x1b[2Jno"})
    peer.answer("Sessions/History", told(placed, ended))

    out = nsml("history", "mnist/1").out

    assert out.splitlines() == [
        "Event  Time                      By         What happened",
        "   12  2027-01-15T08:00:12.000Z  scheduler  placed on node vm with GPU 0 as attempt 2",
        r"   13  2027-01-15T08:00:13.000Z  runner 2   failed: \x1b[2Jno",
    ]
    assert f"request {'r' * 32}, trace {'a' * 32}" in nsml("history", "mnist/1", "-v").out
    (first, _) = json.loads(nsml("history", "mnist/1", "-j").out)
    assert first["trace_id"] == "a" * 32
    assert first["meaning"] == "placed on node vm with GPU 0 as attempt 2"


def test_on_a_narrow_terminal_what_happened_stays_in_its_column(
    peer: Peer, nsml: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = line(13, "Failed", "session", outcome={"message": "a long story of how it came"})
    peer.answer("Sessions/History", told(failed))
    monkeypatch.setattr(history, "is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "66")

    out = nsml("history", "mnist/1").out

    assert [row.strip() for row in out.splitlines()[1:]] == [
        "13  2027-01-15T08:00:13.000Z  session    failed: a long story",
        "of how it came",
    ]
    assert out.splitlines()[2].index("of") == out.splitlines()[1].index("failed")


def test_it_is_followed_to_the_end(peer: Peer, nsml: Run) -> None:
    life = [line(1, "Requested"), line(2, "Failed"), line(3, "Resumed"), line(4, "Completed")]
    first, *later = told(*life[:3]), told(), told(life[3])

    def answer(request: session_pb2.HistoryRequest) -> session_pb2.HistoryReply:
        return later.pop(0) if request.after else first

    peer.answer("Sessions/History", answer)

    out = nsml("history", "mnist/1", "-f", "-j").out

    assert [json.loads(each)["event"] for each in out.splitlines()] == [
        *("Requested", "Failed", "Resumed", "Completed")
    ]
    assert [request.after for request in peer.requests("Sessions/History")] == [0, 3, 3]


def test_waits_are_read_off_the_events() -> None:
    lines = [
        line(0, "Requested"),
        line(1, "Waiting", reason="needs 2 GPUs, 1 free"),
        line(3, "MemoChanged", memo="x"),
        line(5, "Waiting", reason="needs 2 GPUs, 0 free"),
        line(8, "Placed"),
        line(9, "Lost"),
        line(20, "Resumed"),
    ]

    found = waits(lines)  # type: ignore[arg-type]

    assert [(wait.reason, wait.until and wait.seconds) for wait in found] == [
        ("for the scheduler to look at it", 1),
        ("needs 2 GPUs, 1 free", 4),
        ("needs 2 GPUs, 0 free", 3),
        ("for the scheduler to look at it", None),
    ]


def test_resume_says_what_is_refused(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/Resume", Refused("ann/mnist/1 has not ended."))
    assert nsml("resume", "mnist/1") == Result(1, "", "Rejected: ann/mnist/1 has not ended.\n")

    peer.answer("Sessions/Resume", Exhausted("NOT_ENOUGH_CREDIT: none is left."))
    assert nsml("resume", "mnist/1").err == "Rejected: NOT_ENOUGH_CREDIT: none is left.\n"
    keys = {request.key for request in peer.requests("Sessions/Resume")}
    assert len(keys) == 2
    assert all(len(key) == 32 for key in keys)


def test_a_fork_asks_for_what_was_typed_and_no_more(peer: Peer, nsml: Run) -> None:
    parent = session_pb2.Parent(session="ann/mnist/1", sequence=7)
    one = session_pb2.Session(name="ann/mnist/2", parent=parent)
    peer.answer("Sessions/Fork", session_pb2.RunReply(session=one))

    done = nsml("fork", "mnist/1")
    nsml("fork", "mnist/1", "--at", "7", "-c", "a", "-a", "--lr 1", "-g", "0", "--memory", "1G")

    assert done.out == "Session ann/mnist/2 is started\n"
    assert "starts from the beginning" in done.err
    plain, typed = peer.requests("Sessions/Fork")
    fields = ("session", "key")
    assert [field.name for field, _ in plain.ListFields()] == list(fields)
    assert (typed.sequence, typed.checkpoint, list(typed.args)) == (7, "a", ["--lr", "1"])
    assert (typed.HasField("gpus"), typed.gpus, typed.memory_bytes) == (True, 0, 1 << 30)
    assert not typed.HasField("cpus")


def test_links_are_compared_and_never_followed(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder, target in ((old, "/etc/passwd"), (new, "/etc/hosts")):
        folder.mkdir()
        (folder / "link").symlink_to(target)

    (change,) = changes(old, new)

    assert change.patch[-2:] == ["-→ /etc/passwd", "+→ /etc/hosts"]


def test_line_ends_that_only_python_knows_end_no_line(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder, text in ((old, "a\x0cb\u2028c\r\nd\n"), (new, "a\x0cb\u2028c\r\ne\n")):
        folder.mkdir()
        (folder / "f").write_bytes(text.encode())

    (change,) = changes(old, new)

    assert change.patch[-3:] == [" a\x0cb\u2028c\r", "-d", "+e"]
