"""`nsml logs`: what is asked of the service, and how lines are shown."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nsml_protos import session_pb2 as pb
from tests.cli.conftest import Peer, Result

Run = Callable[..., Result]

LIVE = pb.Session(name="ann/mnist/1", status=pb.RUNNING)
SECOND_US = 1_000_000


def line(text: str, second: int = 0, **known: Any) -> pb.LogPiece:
    known.setdefault("source", pb.STDOUT)
    return pb.LogPiece(time_us=(1_767_225_600 + second) * SECOND_US, data=text.encode(), **known)


@pytest.fixture
def told(peer: Peer) -> Callable[..., None]:
    def answer(*lines: pb.LogPiece) -> None:
        peer.answer("Sessions/Get", LIVE)
        peer.answer("Sessions/Logs", [pb.LogsReply(pieces=lines)])

    return answer


def test_what_is_asked_for_is_found_at_the_service(
    peer: Peer, nsml: Run, told: Callable[..., None]
) -> None:
    told(line("loss 1\n"))
    words = ["--tail", "5", "--until", "2026-01-02T00:00Z", "--grep", "loss", "-i", "--stderr"]

    assert nsml("logs", "mnist/1", *words, "--rank", "3", "--rank", "4") == (0, "loss 1\n", "")
    assert peer.requests("Sessions/Logs") == [
        pb.LogsRequest(
            name="ann/mnist/1",
            tail=5,
            until_us=1_767_312_000_000_000,
            pattern="(?i)loss",
            ranks=[3, 4],
            sources=[pb.STDERR],
            lines=True,
        )
    ]


def test_as_json_each_line_is_an_object(nsml: Run, told: Callable[..., None]) -> None:
    told(
        line("a\x1b[2J\n", attempt=2, rank=1, source=pb.STDERR),
        line("7 bytes are missing\n", source=pb.PLATFORM, dropped=7),
        line("no end"),
    )
    shown = nsml("logs", "mnist/1", "-j").out.splitlines()

    assert json.loads(shown[0]) == {
        "session": "ann/mnist/1",
        "attempt": 2,
        "time": "2026-01-01T00:00:00.000Z",
        "stream": "stderr",
        "rank": 1,
        "text": "a\x1b[2J",
        "dropped": 0,
    }
    assert "\x1b" not in shown[0]
    assert json.loads(shown[1])["dropped"] == 7
    assert json.loads(shown[2])["text"] == "no end"


def test_times_and_ranks_stand_before_lines(nsml: Run, told: Callable[..., None]) -> None:
    told(line("one\n"), line("two\n", rank=1), line("[rank2]: three\n", rank=2), line("four\n", 61))

    assert nsml("logs", "mnist/1", "--time").out.splitlines() == [
        "2026-01-01T00:00:00.000Z one",
        "2026-01-01T00:00:00.000Z [rank1]: two",
        "2026-01-01T00:00:00.000Z [rank2]: three",
        "2026-01-01T00:01:01.000Z [rank0]: four",
    ]


def test_several_logs_are_shown_by_time_with_their_names(peer: Peer, nsml: Run) -> None:
    logs = {
        "ann/mnist/1": [line("one\n", 1), line("four", 4)],
        "ann/mnist/10": [line("two\n", 2), line("three\n", 3), line("five\n", 5)],
    }

    def answer(request: pb.LogsRequest) -> Iterator[pb.LogsReply]:
        yield pb.LogsReply(pieces=logs[request.name])

    peer.answer("Sessions/Logs", answer)
    peer.answer("Sessions/Get", lambda ref: pb.Session(name=ref.name, status=pb.EXITED))
    shown = (
        "ann/mnist/1  | one\n"
        "ann/mnist/10 | two\n"
        "ann/mnist/10 | three\n"
        "ann/mnist/1  | four\n"
        "ann/mnist/10 | five\n"
    )

    assert nsml("logs", "mnist/1", "mnist/10") == (0, shown, "")
    followed = nsml("logs", "-f", "mnist/1", "mnist/10")
    assert sorted(followed.out.splitlines()) == sorted(shown.splitlines())
    assert followed.err.count("has ended: Exited.") == 2


def test_the_highest_code_of_several_is_the_code(peer: Peer, nsml: Run) -> None:
    def get(ref: pb.SessionRef) -> pb.Session:
        code = int(ref.name[-1])
        return pb.Session(name=ref.name, status=pb.FAILED, outcome=pb.Outcome(exit_code=code))

    peer.answer("Sessions/Logs", [])
    peer.answer("Sessions/Get", get)

    assert nsml("logs", "-f", "mnist/2", "mnist/7", "mnist/3").code == 7


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-f", "--until", "1h"], "-f goes on to the end: leave out --until."),
        (["-i"], "-i is for --grep PATTERN: say what to look for."),
        (["--tail", "0"], "0 is not between 1 and"),
        (["--rank", "-1"], "-1 is not between 0 and"),
        (["--since", "soon"], "'soon' is no time"),
    ],
)
def test_what_makes_no_sense_is_refused(
    nsml: Run, told: Callable[..., None], words: list[str], said: str
) -> None:
    told()
    done = nsml("logs", "mnist/1", *words)

    assert done.code == 2
    assert said in done.err


def test_the_very_bytes_of_a_stream_go_into_a_file(
    peer: Peer, nsml: Run, told: Callable[..., None], tmp_path: Path
) -> None:
    told(line("\r50%\r100%\n"), line("9 bytes of", source=pb.PLATFORM, dropped=9), line("\0\x1b"))
    target = tmp_path / "out"

    done = nsml("logs", "mnist/1", "--raw", str(target))
    again = nsml("logs", "mnist/1", "--raw", str(target))

    assert (done.code, target.read_bytes()) == (0, b"\r50%\r100%\n\0\x1b")
    assert done.out == f"What session ann/mnist/1 printed on stdout is in {target}\n"
    assert "has not ended" in done.err
    assert (again.code, again.out) == (1, "")
    assert peer.requests("Sessions/Logs")[0].sources == [pb.STDOUT, pb.PLATFORM]
