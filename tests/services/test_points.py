"""Points in chunks: what comes back is what was told, wherever it was folded, and once."""

import math
import random
import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from zstandard import ZstdCompressor

from nsml_protos import session_pb2 as pb
from nsml_session.chunks import FULL, decode, encode
from nsml_session.columns import Columns
from nsml_session.points import PointTables
from tests.services.link import points, ref, told
from tests.services.world import World, eventually

__all__ = ["ref"]

ANY = st.floats(allow_nan=True, allow_infinity=True)
TIMES = st.integers(-(2**62), 2**62)


async def fold(world: World, name: str) -> None:
    await PointTables(world.floors["session"].pool).fold(name)


async def asked(world: World, name: str, buckets: int = 0) -> list[str]:
    """Everything that is answered, as text: NaN equals NaN there."""
    request = pb.MetricsRequest(name=name, buckets=buckets)
    return [str(series) for series in (await world.sessions().Metrics(request)).series]


async def count(world: World, table: str) -> int:
    pool = world.floors["session"].pool
    return int(await pool.fetchval(f"select count(*) from session_frames.{table}"))  # noqa: S608 - our own name


def columns(steps: list[float], times: list[int], values: list[float]) -> Columns:
    return Columns(np.array(steps, float), np.array(times, np.int64), np.array(values, float))


@given(st.lists(st.tuples(st.one_of(ANY, st.integers(0, 2**60)), TIMES, ANY), min_size=1))
def test_every_bit_of_a_chunk_comes_back(rows: list[tuple[float, int, float]]) -> None:
    told = columns(*(list(column) for column in zip(*rows, strict=True)))

    found = decode(encode(told), len(told))

    for mine, theirs in ((told.steps, found.steps), (told.values, found.values)):
        assert [struct.pack("d", x) for x in mine] == [struct.pack("d", x) for x in theirs]
    assert told.times_us.tolist() == found.times_us.tolist()


def test_noisy_points_take_less_than_12_bytes() -> None:
    noise = np.random.default_rng(1)
    steps = np.arange(FULL, dtype=float)
    times = 1_700_000_000_000_000 + np.cumsum(noise.normal(1e6, 5e4, FULL)).astype(np.int64)
    values = np.exp(-steps / FULL) + noise.normal(0, 0.1, FULL)

    assert len(encode(Columns(steps, times, values))) <= 12 * FULL


async def tell_two_attempts(world: World, ref: pb.AttemptRef, *, folding: bool) -> None:
    """Points of two attempts, out of order, repeated, with gaps: folded here and there or not."""
    dice = random.Random(7)  # noqa: S311 - nothing is kept secret by it
    for attempt in (1, 2):
        mine = pb.AttemptRef(name=ref.name, attempt=attempt)
        if attempt == 2:
            await world.ended(ref, exit_code=1)
            await world.sessions().Resume(pb.ResumeRequest(name=ref.name, from_start=True))
            await world.started(ref.name, attempt=2)
        for number in range(1, 8):
            rows = [
                (f"s{dice.randrange(4)}", float(dice.randrange(5, 40) * attempt), dice.random())
                for _ in range(dice.randrange(1, 60))
            ]
            rows.append((f"only{attempt}", 1.0, math.nan))
            await told(world, mine, points(mine, number, *rows))
            if folding and dice.random() < 0.5:
                await fold(world, ref.name)
            elif not folding:
                dice.random()


async def test_where_points_were_folded_makes_no_difference(world: World) -> None:
    answers = []
    for folding in (False, True):
        ref = await world.started((await world.run()).name)
        await tell_two_attempts(world, ref, folding=folding)
        answers.append([await asked(world, ref.name, buckets) for buckets in (0, 1, 7)])
        if folding:
            await fold(world, ref.name)
            answers.append([await asked(world, ref.name, buckets) for buckets in (0, 1, 7)])

    assert answers[0] == answers[1] == answers[2]
    assert len(answers[0][0]) == 6


async def test_small_chunks_grow_and_large_ones_stay(world: World, ref: pb.AttemptRef) -> None:
    at = 0
    for number, size in enumerate((1_000, 1_500, 3_000, 15_000, 100, 1), 1):
        rows = (("a", float(step), 0.5) for step in range(at, at + size))
        await told(world, ref, points(ref, number, *rows))
        await fold(world, ref.name)
        at += size
    pool = world.floors["session"].pool
    sizes = await pool.fetch("select count from session_frames.chunk order by part")
    (found,) = (await world.sessions().Metrics(pb.MetricsRequest(name=ref.name))).series

    assert [row["count"] for row in sizes] == [2_500, 3_000, 10_000, 5_000, 100, 1]
    assert list(found.steps) == list(range(20_601))


async def test_enough_points_are_folded_by_themselves(world: World, ref: pb.AttemptRef) -> None:
    await told(world, ref, points(ref, 1, *(("a", float(step), 0.5) for step in range(5_000))))

    async def is_folded() -> bool:
        return await count(world, "chunk") == 1 and await count(world, "points") == 0

    await eventually(is_folded)


async def test_the_points_of_an_ended_session_are_folded(world: World, ref: pb.AttemptRef) -> None:
    await told(world, ref, points(ref, 1, ("a", 1, 1.0)))
    assert await count(world, "points") == 1
    await world.ended(ref)

    async def is_folded() -> bool:
        return await count(world, "chunk") == 1 and await count(world, "points") == 0

    await eventually(is_folded)


async def test_a_frame_told_again_after_it_was_folded_counts_once(
    world: World, ref: pb.AttemptRef
) -> None:
    frame = points(ref, 1, ("a", 1, 1.0))
    frame.points.summary["a"] = 1.0
    later = points(ref, 2, ("a", 2, 2.0))
    later.points.summary["a"] = 2.0
    await told(world, ref, frame, later)
    before = await asked(world, ref.name)
    await fold(world, ref.name)
    await told(world, ref, frame, frame)
    await world.floors["session"].view.see_all()
    (row,) = (await world.sessions().List(pb.ListSessionsRequest())).sessions

    assert await asked(world, ref.name) == before
    assert dict(row.summary) == {"a": 2.0}


async def test_frames_of_the_version_before_keep_their_points(
    world: World, ref: pb.AttemptRef
) -> None:
    pool = world.floors["session"].pool
    for number in (1, 2):
        frame = points(ref, number, ("a", number, float(number)))
        frame.points.summary["a"] = number
        data = ZstdCompressor().compress(frame.SerializeToString())
        await pool.execute(
            "insert into session_frames.frame (name, attempt, number, has_log, has_points, "
            "has_usage, data) values ($1, 1, $2, false, true, false, $3)",
            *(ref.name, number, data),
        )
    await pool.execute("drop table session_frames.layout")
    await world.stop("session")
    await world.start("session")
    await told(world, ref, points(ref, 3, ("a", 3, 3.0)))

    async def is_apart() -> bool:
        return await count(world, "layout") == 1

    await eventually(is_apart)
    (found,) = (await world.sessions().Metrics(pb.MetricsRequest(name=ref.name))).series
    kept = await world.floors["session"].pool.fetch(
        "select has_points, has_summary from session_frames.frame order by number"
    )

    assert list(found.values) == [1.0, 2.0, 3.0]
    assert [tuple(row) for row in kept] == [(False, True), (False, True), (False, False)]


async def test_a_removed_session_leaves_nothing(world: World, ref: pb.AttemptRef) -> None:
    frame = points(ref, 1, ("a", 1, 1.0))
    frame.records.add(kind=pb.TEXT, name="said", data=b"x")
    await told(world, ref, frame)
    await fold(world, ref.name)
    await told(world, ref, points(ref, 2, ("a", 2, 1.0)))
    await world.ended(ref)
    await world.sessions().Remove(pb.RemoveSessionRequest(name=ref.name))

    tables = ("frame", "latest", "points", "chunk", "series", "record")
    assert [await count(world, table) for table in tables] == [0] * len(tables)


async def test_records_are_listed_and_fetched(world: World, ref: pb.AttemptRef) -> None:
    frame = pb.Frame(ref=ref, number=1)
    for step in range(3):
        frame.records.add(
            kind=pb.IMAGE,
            name="dot",
            step=step,
            time_us=9,
            media_type="image/png",
            data=b"%d" % step,
        )
    frame.records.add(kind=pb.TEXT, name="sa\0id", data=b"hello")
    await told(world, ref, frame, frame)

    async def records(**wanted: object) -> list[pb.Record]:
        request = pb.RecordsRequest(name=ref.name, **wanted)  # type: ignore[arg-type]
        return [record async for record in world.sessions().Records(request)]

    listed = await records()
    newest = await records(records=["d*"], newest=1, with_data=True)
    texts = await records(kind=pb.TEXT, with_data=True)

    assert [(one.name, one.step, one.bytes, one.data) for one in listed] == [
        ("dot", 0, 1, b""),
        ("dot", 1, 1, b""),
        ("dot", 2, 1, b""),
        ("sa\0id", 0, 5, b""),
    ]
    assert [one.HasField("step") for one in listed] == [True, True, True, False]
    assert [(one.step, one.data, one.media_type, one.attempt) for one in newest] == [
        (2, b"2", "image/png", 1)
    ]
    assert [one.data for one in texts] == [b"hello"]
