"""The spool keeps every frame until it is acknowledged, in little memory."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from nsml_protos import session_pb2
from nsml_runner.feed import TAIL_BYTES, Feed
from nsml_runner.messages import Reports
from nsml_runner.spool import Spool

MEGABYTE = 1 << 20


def frame(number: int) -> bytes:
    return number.to_bytes(4, "big") * (MEGABYTE // 4)


async def test_frames_are_read_back_from_memory_and_disk(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    for number in range(1, 41):
        spool.append(frame(number))

    assert [spool.read(number) for number in range(1, 41)] == [frame(n) for n in range(1, 41)]
    assert len(list((tmp_path / "spool").iterdir())) == 3
    spool.close()


async def test_acknowledged_frames_free_memory_and_disk(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    for number in range(1, 41):
        spool.append(frame(number))
    spool.acknowledge(30)

    assert spool.read(31) == frame(31)
    assert len(list((tmp_path / "spool").iterdir())) == 2
    spool.acknowledge(40)
    await asyncio.wait_for(spool.wait_empty(), 10)

    assert list((tmp_path / "spool").iterdir()) == []
    spool.append(frame(41))

    assert (spool.last, spool.read(41)) == (41, frame(41))
    spool.close()


async def test_acknowledged_twice_is_acknowledged_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    for number in (1, 2, 3):
        spool.append(frame(number))
    spool.acknowledge(2)
    spool.acknowledge(1)

    assert (spool.acknowledged, spool.last) == (2, 3)
    spool.close()


async def test_a_full_disk_costs_memory_and_says_that_it_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", no_room)
    spool = Spool(tmp_path / "spool")
    for number in range(1, 21):
        spool.append(frame(number))

    was_full = spool.full
    kept = [spool.read(number) for number in range(1, 21)]
    spool.acknowledge(20)

    assert (was_full, spool.full) == (True, False)
    assert kept == [frame(number) for number in range(1, 21)]
    spool.close()


def told(spool: Spool) -> list[session_pb2.LogPiece]:
    numbers = range(spool.acknowledged + 1, spool.last + 1)
    frames = [session_pb2.Frame.FromString(spool.read(number)) for number in numbers]
    return [piece for frame in frames for piece in frame.log]


async def test_a_full_spool_keeps_the_beginning_and_the_end_and_says_what_is_missing(
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path / "spool", disk_limit=8 * MEGABYTE)
    feed = Feed(spool, session_pb2.AttemptRef(name="a/b/1", attempt=1))
    lines = [b"%07d\n" % number * 8192 for number in range(1000)]
    for line in lines:
        feed.log(session_pb2.STDOUT, line)
    feed.flush(last=True)
    pieces = told(spool)
    output = [piece.data for piece in pieces if piece.source == session_pb2.STDOUT]
    (notice,) = [piece.data for piece in pieces if piece.source == session_pb2.PLATFORM]
    dropped = sum(map(len, lines)) - sum(map(len, output))

    assert spool.full
    assert output[0] == lines[0]
    assert output[-1] == lines[-1]
    assert b"".join(output).endswith(b"".join(lines)[-TAIL_BYTES // 2 :])
    assert notice.startswith(b"%d bytes of output were dropped here" % dropped)
    spool.close()


async def test_too_many_points_are_counted_and_not_kept(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", disk_limit=0)  # it is full
    feed = Feed(spool, session_pb2.AttemptRef(name="a/b/1", attempt=1))
    names = [f"series{number}" for number in range(1000)]
    for _ in range(51):
        feed.report(Reports([names], [0], [0.0], [1], [1.0] * 1000, {}))
    feed.flush(last=True)
    (notice,) = told(spool)

    assert notice.source == session_pb2.PLATFORM
    assert notice.data.startswith(b"1000 metric points were dropped here")
    spool.close()


async def test_the_first_line_goes_at_once_and_the_next_wait_for_company(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    feed = Feed(spool, session_pb2.AttemptRef(name="a/b/1", attempt=1))
    feed.log(session_pb2.STDOUT, b"first\n")

    assert spool.last == 1
    for _ in range(100):
        feed.log(session_pb2.STDOUT, b"more\n")

    assert spool.last == 1
    await asyncio.wait_for(spool.wait_beyond(1), 10)

    assert [piece.data for piece in told(spool)] == [b"first\n"] + [b"more\n"] * 100
    spool.close()
