"""What is printed: cut to what can be read, bounded, and whole in files."""

import asyncio
import os
from pathlib import Path

import pytest

from nsml_core.errors import Invalid
from nsml_core.sizes import size
from nsml_protos import session_pb2 as pb
from nsml_runner.cutter import LINE_BYTES, Cutter
from nsml_runner.feed import TAIL_BYTES, Feed
from nsml_runner.logqueue import Rate
from nsml_runner.printed import Printed
from nsml_runner.spool import Spool
from nsml_runner.workdir import WorkDir

REF = pb.AttemptRef(name="a/b/1", attempt=1)


def cut(*pieces: bytes) -> bytes:
    cutter = Cutter("more elsewhere")
    return b"".join([*(cutter.cut(piece) for piece in pieces), cutter.finish()])


def in_pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1_000, 65_537, 1 << 20])
def test_a_long_line_is_cut_with_a_mark_wherever_pieces_end(size: int) -> None:
    line = b"x" * 1_000_000
    mark = "… [934464 bytes more of this line: more elsewhere]".encode()

    assert cut(*in_pieces(b"one\n" + line + b"\ntwo\n", size)) == (
        b"one\n" + line[:LINE_BYTES] + mark + b"\ntwo\n"
    )


def test_a_last_line_without_an_end_is_marked_too() -> None:
    assert cut(b"x" * (LINE_BYTES + 2)).endswith(
        "x… [2 bytes more of this line: more elsewhere]\n".encode()
    )


def test_text_passes_as_it_is() -> None:
    bar = b"".join(b"\r%3d%%|####      |" % number for number in range(5_000))
    text = b"a\tb\x1b[32m\r\n" * 20_000 + bar + "한글".encode()

    assert cut(*in_pieces(text, 100_000)) == text


@pytest.mark.parametrize("size", [1, 7, 1_000, 1 << 20])
def test_binary_output_is_one_mark_and_text_after_it_is_text(size: int) -> None:
    noise = bytes(range(256)) * 100
    text = b"before\n" + noise + b"\nafter\nand on\n"

    assert cut(*in_pieces(text, size)).decode() == (
        f"before\n… [{len(noise) + 1} bytes of binary output: more elsewhere]\nafter\nand on\n"
    )
    assert cut(*in_pieces(b"\0" * 9 + b"\nno end", size)).decode() == (
        "… [10 bytes of binary output: more elsewhere]\nno end"
    )


def told(spool: Spool) -> list[pb.LogPiece]:
    numbers = range(spool.acknowledged + 1, spool.last + 1)
    frames = [pb.Frame.FromString(spool.read(number)) for number in numbers]
    return [piece for frame in frames for piece in frame.log]


def output(pieces: list[pb.LogPiece], source: "pb.Source.ValueType") -> bytes:
    return b"".join(piece.data for piece in pieces if piece.source == source)


async def test_a_flood_keeps_its_beginning_its_end_and_what_is_on_stderr(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    feed = Feed(spool, REF, {"NSML_LOG_RATE": "1", "NSML_LOG_BURST": "1MiB"})
    parcel = b"0123456789abcde\n" * 4096
    for number in range(100):
        feed.log(pb.STDOUT, b"%08d" % number + parcel[8:])
        if number == 50:
            feed.log(pb.STDERR, b"look here\n")
    feed.flush(last=True)
    pieces = told(spool)
    (notice,) = [piece for piece in pieces if piece.source == pb.PLATFORM]
    kept = output(pieces, pb.STDOUT)

    assert feed.has_dropped
    assert notice.data.startswith(b"%d bytes of output were dropped here" % notice.dropped)
    assert len(kept) + notice.dropped == 100 * len(parcel)
    assert kept.startswith(b"00000000")
    assert b"00000099" in kept
    assert TAIL_BYTES <= len(kept) <= 3 * TAIL_BYTES
    assert output(pieces, pb.STDERR) == b"look here\n"
    spool.close()


async def test_what_follows_a_gap_begins_a_line(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    feed = Feed(spool, REF, {"NSML_LOG_RATE": "1", "NSML_LOG_BURST": "1"})
    text = b"".join(b"%07d\n" % number for number in range(500_000))
    for part in in_pieces(text, 65_533):
        feed.log(pb.STDOUT, part)
    feed.flush(last=True)
    pieces = told(spool)
    at = next(at for at, piece in enumerate(pieces) if piece.dropped)

    assert len(pieces[at + 1].data.split(b"\n")[0]) == 7
    assert pieces[at].dropped + len(output(pieces, pb.STDOUT)) == len(text)
    spool.close()


def test_the_rate_lets_a_burst_pass_and_then_parcels_of_a_second() -> None:
    rate = Rate(100, burst=1_000)
    rate.spend(rate.room(1_000.0))

    assert [rate.room(1_000.0), rate.room(1_000.9), rate.room(1_001.1)] == [0, 0, 110]


@pytest.fixture
def work(tmp_path: Path) -> WorkDir:
    found = WorkDir(tmp_path / "work")
    found.output.mkdir(parents=True)
    return found


async def printed(work: WorkDir, limit: str, *data: bytes) -> list[str]:
    """What the platform says after this was printed."""
    spool = Spool(work.spool)
    feed = Feed(spool, REF)
    whole = Printed(feed, work, "a/b/1", {"NSML_LOG_RAW": limit})
    for part in data:
        whole.take(pb.STDOUT, part)
    whole.finish()
    feed.flush(last=True)
    said = output(told(spool), pb.PLATFORM).decode().splitlines()
    spool.close()
    return said


async def test_the_whole_is_kept_where_the_log_was_cut(work: WorkDir) -> None:
    data = [b"\0" * 100_000, b"x" * 100_000 + b"\n"]
    (said,) = await printed(work, "1G", *data)

    assert said == "The log was cut; `nsml logs a/b/1 --raw` brings the whole."
    assert (work.output / "nsml-logs" / "stdout.log").read_bytes() == b"".join(data)


async def test_where_nothing_was_cut_nothing_is_kept(work: WorkDir) -> None:
    assert await printed(work, "1G", b"hello\n") == []
    assert list(work.output.iterdir()) == []


async def test_files_are_bounded_and_say_what_they_lack(work: WorkDir) -> None:
    (said,) = await printed(work, "1KiB", b"\0" * 1_000, b"\0" * 1_000, b"\0" * 1_000)

    assert said.endswith("brings the whole, but for the last 1976 bytes of it.")
    assert (work.output / "nsml-logs" / "stdout.log").stat().st_size == 1_024


async def test_what_user_code_put_in_the_way_stays_as_it_is(work: WorkDir, tmp_path: Path) -> None:
    (work.output / "nsml-logs").symlink_to(tmp_path)
    (said,) = await printed(work, "1G", b"\0")

    assert said.startswith("The whole output is not kept")
    assert not (tmp_path / "stdout.log").exists()


async def test_a_full_disk_stops_the_file_and_not_the_log(
    work: WorkDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> int:
        raise OSError

    monkeypatch.setattr(os, "write", no_room)
    await asyncio.sleep(0)
    (said,) = await printed(work, "1G", b"\0\n")

    assert said.endswith("but for the last 2 bytes of it.")


def test_sizes_of_operators() -> None:
    texts = ("", "512", "1KiB", "2 MB")
    assert [size({"X": text}, "X", 7) for text in texts] == [7, 512, 1 << 10, 2 << 20]
    with pytest.raises(Invalid, match="X: 'much' is not a size: write it like"):
        size({"X": "much"}, "X", 7)
