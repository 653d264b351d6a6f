"""Reading logs by lines, at the service: the newest, those that match, those of a time."""

import random
from typing import Any

import grpc
import grpc.aio
import pytest

from nsml_protos import session_pb2 as pb
from tests.services.link import Link, said
from tests.services.world import World, eventually

SECOND_US = 1_000_000
BEGAN_US = 1_700_000_000 * SECOND_US


@pytest.fixture
async def ref(world: World) -> pb.AttemptRef:
    """A session that runs."""
    return await world.started((await world.run()).name)


async def asked(world: World, name: str, **wanted: Any) -> list[pb.LogPiece]:
    replies = world.sessions().Logs(pb.LogsRequest(name=name, **wanted))
    return [piece async for reply in replies for piece in reply.pieces]


async def texts(world: World, name: str, **wanted: Any) -> list[str]:
    return [piece.data.decode() for piece in await asked(world, name, **wanted)]


async def tell(world: World, ref: pb.AttemptRef, *frames: list[pb.LogPiece]) -> None:
    link = Link(world, ref)
    await link.tell(*(pb.Frame(ref=ref, number=n, log=log) for n, log in enumerate(frames, 1)))
    await link.hang_up()


def piece(data: bytes, second: int = 0, source: "pb.Source.ValueType" = pb.STDOUT) -> pb.LogPiece:
    return pb.LogPiece(time_us=BEGAN_US + second * SECOND_US, source=source, data=data)


async def test_a_line_has_its_stream_rank_attempt_and_time(
    world: World, ref: pb.AttemptRef
) -> None:
    await tell(
        world,
        ref,
        [piece(b"on", 1), piece(b"oh no\n", 2, pb.STDERR)],
        [piece(b"e\n[rank3]: two\n", 3), piece(b"\r50%\r100%", 4, pb.STDERR)],
    )
    lines = await asked(world, ref.name, lines=True)

    assert [
        (line.data, line.source, line.rank, line.attempt, (line.time_us - BEGAN_US) // SECOND_US)
        for line in lines
    ] == [
        (b"oh no\n", pb.STDERR, 0, 1, 2),
        (b"one\n", pb.STDOUT, 0, 1, 3),
        (b"[rank3]: two\n", pb.STDOUT, 3, 1, 3),
        (b"100%", pb.STDERR, 0, 1, 4),
    ]
    assert await texts(world, ref.name, ranks=[3]) == ["[rank3]: two\n"]
    assert await texts(world, ref.name, lines=True, sources=[pb.STDERR]) == ["oh no\n", "100%"]
    assert await texts(world, ref.name, sources=[pb.STDERR]) == ["oh no\n", "\r50%\r100%"]
    assert await texts(world, ref.name, since_us=lines[1].time_us, until_us=lines[2].time_us) == [
        "one\n",
        "[rank3]: two\n",
    ]


async def test_the_newest_lines_are_found_from_the_end(world: World, ref: pb.AttemptRef) -> None:
    count = 100
    await tell(world, ref, *([piece(b"loss %d\nnoise\nha" % n)] for n in range(count)))

    assert await texts(world, ref.name, tail=2) == ["noise\n", "ha"]
    assert await texts(world, ref.name, tail=1, pattern="^haloss 7$") == ["haloss 7\n"]
    assert await texts(world, ref.name, tail=2, pattern="loss 9") == ["haloss 98\n", "haloss 99\n"]
    assert len(await texts(world, ref.name, tail=1_000)) == 2 * count + 1


async def test_lines_are_searched_for_at_the_service(world: World, ref: pb.AttemptRef) -> None:
    log = [piece(b"loss 0.5\nLoss 0.4\n\x1b[1mlo\x1b[0mss 0.3\nacc 0.9\n" + b"a" * 50_000 + b"!\n")]
    await tell(world, ref, log)

    assert await texts(world, ref.name, pattern=r"^loss \d") == [
        "loss 0.5\n",
        "\x1b[1mlo\x1b[0mss 0.3\n",
    ]
    assert len(await texts(world, ref.name, pattern="(?i)LOSS")) == 3
    assert await texts(world, ref.name, pattern="(a+)+$") == []  # linear, whatever it is


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(", "'(' is no regular expression: missing ): (."),
        (r"(a)\1", r"'(a)\\1' is no regular expression: invalid escape sequence: \1."),
        ("a" * 1_001, "A pattern has at most 1000 characters."),
    ],
)
async def test_a_bad_pattern_is_refused_in_a_sentence(
    world: World, ref: pb.AttemptRef, pattern: str, said: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await asked(world, ref.name, pattern=pattern)

    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details() == said


async def test_the_newest_lines_and_then_the_live_ones(world: World, ref: pb.AttemptRef) -> None:
    link = Link(world, ref)
    await link.say(*range(1, 11))
    await link.acknowledged(10)
    wanted = pb.LogsRequest(name=ref.name, tail=2, follow=True, pattern="1|9|0")
    call = world.sessions().Logs(wanted)
    first = await call.read()
    await link.say(*range(11, 14))
    await link.tell(said(ref, 14, b"unfinished 1"))
    await link.hang_up()
    await world.ended(ref)
    rest = [piece.data async for reply in call for piece in reply.pieces]

    assert [piece.data for piece in first.pieces] == [b"9\n", b"10\n"]
    assert rest == [b"11\n", b"12\n", b"13\n", b"unfinished 1"]


def noise(seed: int, size: int) -> bytes:
    hexes = random.Random(seed).randbytes(size // 2).hex()  # noqa: S311 - nothing is kept secret
    return hexes.encode() + b"\n"


async def test_a_log_holds_so_much_and_says_what_is_missing_in_its_middle(
    world: World, ref: pb.AttemptRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.stop("session")
    monkeypatch.setenv("NSML_LOG_QUOTA", "200kB")
    await world.start("session")
    pool = world.floors["session"].pool
    link = Link(world, ref)
    lines = [noise(number, 20_000) for number in range(1, 61)]
    usage = [pb.Usage(time_us=1)]

    async def is_trimmed() -> bool:
        size = await pool.fetchval("select sum(octet_length(data)) from session_frames.frame")
        return bool(size < 230_000)

    for batch in range(0, 60, 20):
        for number in range(batch + 1, batch + 21):
            frame = said(ref, number, lines[number - 1])
            frame.usage.extend(usage if number == 31 else [])
            await link.tell(frame)
        await link.acknowledged(batch + 20)
        await eventually(is_trimmed)
    seen = await asked(world, ref.name)
    (gap,) = [at for at, piece in enumerate(seen) if piece.dropped]
    kept = [piece.data for piece in seen if not piece.dropped]

    assert b"".join(kept[:gap]) == b"".join(lines[:gap])
    assert b"".join(kept[gap:]) == b"".join(lines[gap - len(kept) :])
    assert 2 <= gap < len(kept) - gap
    assert seen[gap].dropped + sum(map(len, kept)) == sum(map(len, lines))
    assert seen[gap].data.startswith(b"%d bytes of output were dropped here" % seen[gap].dropped)
    assert await pool.fetchval("select count(*) from session_frames.frame where has_usage") == 1
    assert (await texts(world, ref.name, lines=True, pattern="dropped here"))[0].endswith(
        "compressed\n"
    )
    await link.hang_up()
