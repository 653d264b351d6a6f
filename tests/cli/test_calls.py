"""Calls: what goes along, what comes of errors, and what of services that are away or broken."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nsml_client import access
from nsml_core import errors
from nsml_protos import dataset_pb2, identity_pb2, session_pb2
from tests.cli.conftest import Peer, Result

Run = Callable[..., Result]
ANN = identity_pb2.User(name="ann")


def test_nothing_runs_here(home: Path, nsml: Run) -> None:
    result = nsml("ps")

    assert result == (5, "", "Error: NSML is not running here: start it with `nsml up`.\n")
    assert not home.exists()


def test_sockets_of_the_dead(peer: Peer, nsml: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that lost its power leaves sockets behind."""
    stale = peer.home / "stale.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(stale))
    for process in ("session", "dataset", "ledger", "identity", "scheduler"):
        monkeypatch.setenv(f"NSML_{process.upper()}_ADDRESS", f"unix:{stale}")

    result = nsml("whoami")

    assert result == (5, "", "Error: NSML is not running here: start it with `nsml up`.\n")


def test_one_service_is_down(peer: Peer, nsml: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSML_SESSION_ADDRESS", f"unix:{peer.home}/none.sock")

    result = nsml("ps")

    assert result.code == 5
    assert result.err.startswith("Error: The session service does not answer: if it does not ")
    assert f"{peer.home}/logs/session.log" in result.err


@pytest.mark.usefixtures("peer")
def test_a_platform_elsewhere_is_away(nsml: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("NSML_IDENTITY_ADDRESS", address)

        result = nsml("whoami")

    assert result.code == 5
    assert f"The identity service does not answer at {address}" in result.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.Invalid("A."), 2),
        (errors.NotFound("A."), 3),
        (errors.NotPermitted("A."), 4),
        (errors.Unauthenticated("A."), 4),
        (errors.Unavailable("A."), 5),
        (errors.Refused("A."), 1),
        (errors.Exhausted("A."), 1),
        (errors.AlreadyExists("A."), 1),
        (errors.Superseded("A."), 1),
        (errors.Damaged("A."), 1),
    ],
)
def test_each_error_has_its_exit_code(
    peer: Peer, nsml: Run, error: errors.Error, code: int
) -> None:
    peer.answer("Identity/WhoAmI", error)

    assert nsml("whoami") == (code, "", "Error: A.\n")


def test_a_sentence_arrives_as_it_was_said(peer: Peer, nsml: Run) -> None:
    peer.answer("Identity/WhoAmI", errors.Refused("100 % 한글\x1b[2J\nand more"))

    assert nsml("whoami").err == "Error: 100 % 한글\\x1b[2J and more\n"


def test_a_fault_of_a_service_names_its_log(peer: Peer, nsml: Run) -> None:
    result = nsml("whoami")  # no answer was prepared: INTERNAL

    assert result.code == 1
    assert result.err.startswith("Error: The identity service failed (no answer to ")
    assert f"{peer.home}/logs/identity.log" in result.err


def test_what_goes_along(peer: Peer, nsml: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    traceparent = f"00-{'a' * 32}-{'b' * 16}-01"
    peer.answer("Identity/WhoAmI", ANN)
    assert nsml("whoami").out == "ann\n"
    monkeypatch.setenv("TRACEPARENT", traceparent)
    monkeypatch.setenv("NSML_TOKEN", "mine")
    nsml("whoami")

    first, second = (asked.metadata for asked in peer.asked)

    assert first["authorization"] == f"Bearer {(peer.home / 'token').read_text()}"
    assert second["authorization"] == "Bearer mine"
    assert first["x-request-id"] != second["x-request-id"]
    assert "traceparent" not in first
    assert second["traceparent"] == traceparent


def test_we_read_our_own_writes(peer: Peer, nsml: Run) -> None:
    peer.answer("Sessions/SetMemo", session_pb2.Session())
    peer.answer("Sessions/List", session_pb2.ListSessionsReply())
    peer.answer("Datasets/List", dataset_pb2.ListDatasetsReply())
    peer.position = "session=41"
    nsml("memo", "mnist/1", "a")
    peer.position = "session=7"  # older news changes nothing
    nsml("ps")
    nsml("ps")
    peer.position = ""
    nsml("dataset", "ls")

    sent = [asked.metadata.get("x-nsml-position") for asked in peer.asked]

    assert sent == [None, "session=41", "session=41", None]
    assert json.loads((peer.home / "run" / "position.json").read_text()) == {"session": 41}


def test_positions_that_cannot_be_read_are_none(peer: Peer, nsml: Run) -> None:
    (peer.home / "run" / "position.json").write_text('{"sess')
    peer.answer("Sessions/List", session_pb2.ListSessionsReply())

    assert nsml("ps").code == 0


def test_a_reply_of_many_windows(peer: Peer, nsml: Run) -> None:
    memo = "m" * 3_000_000
    row = session_pb2.SessionRow(session=session_pb2.Session(name="ann/mnist/1", memo=memo))
    peer.answer("Sessions/List", session_pb2.ListSessionsReply(sessions=[row]))

    assert json.loads(nsml("ps", "-j").out)[0]["memo"] == memo


def test_a_request_of_many_windows(peer: Peer, nsml: Run) -> None:
    memo = "m" * 3_000_000
    peer.answer("Sessions/SetMemo", session_pb2.Session())

    assert nsml("memo", "mnist/1", memo).code == 0
    assert peer.requests("Sessions/SetMemo")[0].memo == memo


@pytest.fixture
def mute(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A service that says what is in the list, one word a connection, and hangs up."""
    home.mkdir()
    (home / "token").write_text("t")
    monkeypatch.setattr(access, "RETRY_AFTER_SECONDS", (0.0, 0.0))
    monkeypatch.setenv("NSML_IDENTITY_ADDRESS", f"unix:{tmp_path}/m.sock")
    words: list[bytes] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{tmp_path}/m.sock")
    listener.listen()

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                if not words:
                    return
                connection.recv(1 << 16)
                connection.sendall(words.pop(0))

    thread = threading.Thread(target=serve)
    thread.start()
    yield words
    words.clear()
    with socket.socket(socket.AF_UNIX) as last:
        last.connect(f"{tmp_path}/m.sock")
    thread.join()
    listener.close()


def test_a_connection_that_breaks_is_tried_again(mute: list[bytes], nsml: Run) -> None:
    mute += [b"", b"", b"", b"never reached"]

    result = nsml("whoami")

    assert result.code == 5
    assert result.err.startswith("Error: The connection broke during the call: ")
    assert mute == [b"never reached"]


def test_what_answers_is_no_grpc(mute: list[bytes], nsml: Run) -> None:
    mute += [b"HTTP/1.1 200 OK\r\n\r\nhello"] * 3

    result = nsml("whoami")

    assert result.code == 5
    assert result.err.startswith("Error: The connection broke during the call: ")


def test_a_token_that_is_none(peer: Peer, nsml: Run) -> None:
    (peer.home / "token").write_text("nonsense")

    result = nsml("stop", "mnist/1")

    assert result.code == 4
    assert "is no token of NSML" in result.err
