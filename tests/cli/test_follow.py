"""Following a session to its end, and its exit code."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nsml_cli import follow, loglines
from nsml_core import errors
from nsml_protos import session_pb2
from tests.cli.conftest import Peer, Result

Run = Callable[..., Result]


SIGTERM = "killed by signal 15 (SIGTERM)"
USED_UP = session_pb2.Session(
    name="ann/mnist/1",
    status=session_pb2.STOPPED,
    reason="NOT_ENOUGH_CREDIT: its credit is used up.",
    outcome=session_pb2.Outcome(signal=15, message=SIGTERM),
)


def session(status: "session_pb2.Status.ValueType", **outcome: Any) -> session_pb2.Session:
    return session_pb2.Session(
        name="ann/mnist/1", status=status, outcome=session_pb2.Outcome(**outcome)
    )


def pieces(*texts: str, first_us: int = 1) -> list[Any]:
    return [
        session_pb2.LogsReply(
            pieces=[session_pb2.LogPiece(time_us=first_us + index, data=text.encode())]
        )
        for index, text in enumerate(texts)
    ]


@pytest.mark.parametrize(
    ("ended", "code", "said"),
    [
        (session(session_pb2.EXITED, exit_code=0), 0, "Exited."),
        (session(session_pb2.FAILED, exit_code=7, message="It ended with 7."), 7, "Failed (It"),
        (session(session_pb2.FAILED, signal=9), 137, "Failed."),
        (session(session_pb2.FAILED, message="The build failed."), 1, "Failed (The build failed)."),
        (session(session_pb2.LOST), 1, "Lost."),
        (session(session_pb2.STOPPED), 1, "Stopped."),
        (USED_UP, 143, "Stopped (NOT_ENOUGH_CREDIT: its credit is used up)."),
    ],
)
def test_it_ends_as_the_session_did(
    peer: Peer, nsml: Run, ended: session_pb2.Session, code: int, said: str
) -> None:
    peer.answer("Sessions/Get", ended)
    peer.answer("Sessions/Logs", pieces("one\n", "two\n"))

    result = nsml("logs", "-f", "mnist/1")

    assert (result.code, result.out) == (code, "one\ntwo\n")
    assert result.err.startswith(f"Session ann/mnist/1 has ended: {said}")


def test_who_does_not_follow_gets_what_there_is(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/Get", session(session_pb2.RUNNING))
    peer.answer("Sessions/Logs", pieces("one\n", "\x1b[2Jtwo"))

    assert nsml("logs", "mnist/1", "--since", "2026-01-01T00:00+00:00") == (
        0,
        "one\n\x1b[2Jtwo",
        "",
    )
    (request,) = peer.requests("Sessions/Logs")
    assert request == session_pb2.LogsRequest(
        name="ann/mnist/1", since_us=1_767_225_600_000_000, lines=True
    )


def test_a_queued_session_says_what_it_waits_for(
    peer: Peer, nsml: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "_IDLE_SECONDS", 0.01)
    asked_twice = threading.Event()
    asked: list[object] = []

    def get(request: object) -> session_pb2.Session:
        asked.append(request)
        if len(asked) > 2:
            asked_twice.set()
        if asked_twice.is_set():
            return session(session_pb2.EXITED, exit_code=0)
        return session_pb2.Session(
            name="ann/mnist/1", status=session_pb2.QUEUED, reason="It waits for 1 GPU."
        )

    def start_late(_request: object) -> Iterator[session_pb2.LogsReply]:
        asked_twice.wait()
        yield from pieces("started\n")

    peer.answer("Sessions/Get", get)
    peer.answer("Sessions/Logs", start_late)

    result = nsml("logs", "-f", "mnist/1")

    assert result.out == "started\n"
    assert result.err.splitlines() == [
        "Queued (It waits for 1 GPU)",
        "Session ann/mnist/1 has ended: Exited.",
    ]


def test_a_service_that_comes_back_is_followed_on(
    peer: Peer, nsml: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "_RECONNECT_SECONDS", 0.0)
    peer.answer("Sessions/Get", session(session_pb2.EXITED, exit_code=0))
    asked = 0

    def broken(request: session_pb2.LogsRequest) -> Iterator[session_pb2.LogsReply]:
        nonlocal asked
        asked += 1
        if asked == 1:
            yield from pieces("one\n", "two\n", first_us=10)
        if asked < 4:
            raise errors.Unavailable("The service is stopping.")
        assert request.since_us == 11
        yield from pieces("two\n", "three\n", first_us=11)

    peer.answer("Sessions/Logs", broken)

    result = nsml("logs", "-f", "mnist/1")

    assert (result.code, result.out) == (0, "one\ntwo\nthree\n")
    assert result.err.splitlines() == [
        "The session service does not answer: the session goes on, we try again.",
        "Session ann/mnist/1 has ended: Exited.",
    ]


def test_ctrl_c_leaves_the_session_alone(
    peer: Peer, nsml: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer.answer("Sessions/Get", session(session_pb2.RUNNING))
    peer.answer("Sessions/Logs", pieces("one\n"))

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(loglines.Lines, "write", interrupted)

    result = nsml("logs", "-f", "mnist/1")

    assert result.code == 130
    assert "`nsml logs -f ann/mnist/1` follows it again" in result.err
    assert "`nsml stop ann/mnist/1` stops it" in result.err
    assert {asked.method for asked in peer.asked} == {"Sessions/Get", "Sessions/Logs"}


def test_what_is_unknown_is_not_found(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/Get", errors.NotFound("There is no session ann/mnist/1."))

    assert nsml("logs", "-f", "mnist/1") == (3, "", "Error: There is no session ann/mnist/1.\n")
