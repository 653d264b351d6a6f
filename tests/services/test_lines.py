"""Output put together to lines: progress bars as they ended, streams and ranks apart."""

import pytest

from nsml_protos import session_pb2 as pb
from nsml_session.lines import Lines


def frame(*pieces: bytes | pb.LogPiece, attempt: int = 1) -> pb.Frame:
    log = [
        piece
        if isinstance(piece, pb.LogPiece)
        else pb.LogPiece(time_us=number, source=pb.STDOUT, data=piece)
        for number, piece in enumerate(pieces, 1)
    ]
    return pb.Frame(ref=pb.AttemptRef(name="a/b/1", attempt=attempt), log=log)


def shown(*pieces: bytes | pb.LogPiece) -> list[bytes]:
    lines = Lines()
    found = [*lines.take(frame(*pieces)), *lines.finish(b"")]
    return [line.data for line in found]


def test_lines_may_be_cut_anywhere_between_pieces() -> None:
    text = "one\n한글\r\n\nlast".encode()
    whole = [b"one\n", "한글\n".encode(), b"\n", b"last"]

    assert shown(text) == whole
    for at in range(len(text)):
        assert shown(text[:at], text[at:]) == whole


TQDM = b"".join(b"\r%3d%%|%s| %d/3" % (33 * n, b"#" * n, n) for n in range(4)) + b"\n"
NESTED = (
    b"\router: 0/2"
    b"\n\rinner: 0/2\x1b[A\n\rinner: 1/2\x1b[A\n\rinner: 2/2\x1b[A\n\r          \r\x1b[A"
    b"\router: 1/2"
    b"\n\rinner: 0/2\x1b[A\n\rinner: 2/2\x1b[A\n\r          \r\x1b[A"
    b"\router: 2/2\n"
)


@pytest.mark.parametrize(
    ("printed", "seen"),
    [
        (b"before\n" + TQDM + b"after\n", [b"before\n", b" 99%|###| 3/3\n", b"after\n"]),
        (b"\rstep 100\rdone\n", [b"done\n"]),
        (b"\x1b[2K\r\x1b[32m50%\x1b[0m\x1b[K\r\x1b[32m100%\x1b[0m\n", [b"\x1b[32m100%\x1b[0m\n"]),
        (NESTED + b"after\n", [b"outer: 2/2\n", b"after\n"]),
        (b"\r50%\r   \rnext\n", [b"next\n"]),
        (b"\r50%", [b"50%"]),
        (b"a\x1b[99A\x1b[99Bb\n", [b"ab\n"]),
    ],
)
def test_progress_bars_end_as_a_terminal_shows_them(printed: bytes, seen: list[bytes]) -> None:
    assert shown(printed) == seen
    assert shown(*(printed[at : at + 3] for at in range(0, len(printed), 3))) == seen


def test_a_bar_that_runs_for_days_takes_no_room() -> None:
    assert shown(*[b"\r%d" % number * 100 for number in range(5_000)]) == [b"4999"]
    assert len(shown(b"".join(b"\r%d\n" % number for number in range(5_000)))) == 5_000


def test_a_bar_waits_for_what_follows_and_settles_in_silence() -> None:
    lines = Lines()

    assert [line.data for line in lines.take(frame(b"one\n\r50%\r100%\n"))] == [b"one\n"]
    assert [line.data for line in lines.settle()] == [b"100%\n"]
    assert list(lines.finish(b"")) == []


def test_streams_ranks_and_attempts_have_lines_of_their_own() -> None:
    def said(source: "pb.Source.ValueType", data: bytes, rank: int = 0) -> pb.LogPiece:
        return pb.LogPiece(time_us=7, source=source, rank=rank, data=data)

    lines = Lines()
    first = frame(
        said(pb.STDOUT, b"one "), said(pb.STDERR, b"two\n"), said(pb.STDOUT, b"three "),
        said(pb.STDOUT, b"four\n", 3), said(pb.STDOUT, b"[rank2]: five\n[default10]:six\nopen"),
    )  # fmt: skip
    second = frame(said(pb.STDOUT, b"new\n"), attempt=2)
    found = [*lines.take(first), *lines.take(second)]

    assert [(line.source, line.rank, line.attempt, line.data) for line in found] == [
        (pb.STDERR, 0, 1, b"two\n"),
        (pb.STDOUT, 3, 1, b"four\n"),
        (pb.STDOUT, 0, 1, b"one three [rank2]: five\n"),
        (pb.STDOUT, 10, 1, b"[default10]:six\n"),
        (pb.STDOUT, 0, 1, b"open\n"),
        (pb.STDOUT, 0, 2, b"new\n"),
    ]


def test_what_follows_a_gap_is_no_part_of_the_line_before() -> None:
    gap = pb.LogPiece(time_us=2, source=pb.PLATFORM, data=b"7 bytes are missing\n", dropped=7)

    assert shown(b"half of ", gap, b"a line\n") == [
        b"half of \n",
        b"7 bytes are missing\n",
        b"a line\n",
    ]
