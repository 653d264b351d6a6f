"""Metrics as they are asked for: patterns, ranges of steps, buckets that hide nothing, and live."""

import asyncio
import math

import grpc

from nsml_protos import session_pb2 as pb
from tests.services.link import Link, points, ref, said, told
from tests.services.world import World, refused

__all__ = ["ref"]

NAN = math.nan


async def asked(world: World, request: pb.MetricsRequest) -> list[pb.Series]:
    return list((await world.sessions().Metrics(request)).series)


def plain(found: list[pb.Series]) -> dict[str, list[tuple[float, float]]]:
    return {one.name: list(zip(one.steps, one.values, strict=True)) for one in found}


async def test_series_are_named_by_patterns(world: World, ref: pb.AttemptRef) -> None:
    names = ("train/loss", "train/acc", "valid/loss", "a*c", "abc", "a[b]")
    await told(world, ref, points(ref, 1, *((name, 1, 2.0) for name in names)))

    async def named(*patterns: str) -> list[str]:
        request = pb.MetricsRequest(name=ref.name, series=patterns)
        return [one.name for one in await asked(world, request)]

    assert await named("train/*") == ["train/acc", "train/loss"]
    assert await named("*/loss", "a[b]") == ["a[b]", "train/loss", "valid/loss"]
    assert await named("a?c") == ["a*c", "abc"]
    assert await named("loss") == []


async def test_points_of_a_range_of_steps(world: World, ref: pb.AttemptRef) -> None:
    await told(world, ref, points(ref, 1, *(("a", step, step) for step in range(10))))

    found = await asked(world, pb.MetricsRequest(name=ref.name, from_step=3, to_step=5))
    none = await asked(world, pb.MetricsRequest(name=ref.name, from_step=30))

    assert plain(found) == {"a": [(3, 3), (4, 4), (5, 5)]}
    assert none == []


async def test_steps_are_sorted_and_repeated_ones_are_kept(
    world: World, ref: pb.AttemptRef
) -> None:
    reported = [(3, 1.0), (1, 2.0), (3, 3.0), (2, 4.0), (1, 5.0)]
    await told(world, ref, points(ref, 1, *(("a", step, value) for step, value in reported)))

    found = await asked(world, pb.MetricsRequest(name=ref.name))

    assert plain(found) == {"a": [(1, 2.0), (1, 5.0), (2, 4.0), (3, 1.0), (3, 3.0)]}


async def test_a_later_attempt_takes_over_from_its_lowest_step(
    world: World, ref: pb.AttemptRef
) -> None:
    await told(world, ref, points(ref, 1, *(("a", s, 1.0) for s in range(6)), ("b", 9, 1.0)))
    await world.ended(ref, exit_code=1)
    await world.sessions().Resume(pb.ResumeRequest(name=ref.name, from_start=True))
    again = await world.started(ref.name, attempt=2)
    await told(world, again, points(again, 1, ("a", 4, 2.0), ("a", 3, 2.0), ("a", 7, 2.0)))

    found = await asked(world, pb.MetricsRequest(name=ref.name))

    assert plain(found) == {
        "a": [(0, 1.0), (1, 1.0), (2, 1.0), (3, 2.0), (4, 2.0), (7, 2.0)],
        "b": [(9, 1.0)],
    }


async def test_buckets_hide_no_extreme(world: World, ref: pb.AttemptRef) -> None:
    values = [float(step % 7) for step in range(1000)]
    values[123], values[456], values[789] = 1e9, -math.inf, NAN
    await told(world, ref, points(ref, 1, *(("a", s, v) for s, v in enumerate(values))))

    (found,) = await asked(world, pb.MetricsRequest(name=ref.name, buckets=10))

    assert list(found.counts) == [100] * 10
    assert list(found.first_steps) == list(range(0, 1000, 100))
    assert list(found.steps) == list(range(99, 1000, 100))
    assert list(found.values) == values[99::100]
    assert list(found.firsts) == values[::100]
    assert (max(found.maxs), min(found.mins)) == (1e9, -math.inf)
    assert found.maxs[7] == 6.0


async def test_fewer_points_than_buckets_come_as_they_are(world: World, ref: pb.AttemptRef) -> None:
    await told(world, ref, points(ref, 1, ("a", 1, NAN), ("a", 1, 2.0)))

    (found,) = await asked(world, pb.MetricsRequest(name=ref.name, buckets=1000))

    assert (list(found.steps), list(found.counts)) == ([1, 1], [1, 1])
    assert str(list(found.mins)) == "[nan, 2.0]"


async def test_too_many_buckets_are_refused(world: World, ref: pb.AttemptRef) -> None:
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "At most 100000 buckets"):
        await asked(world, pb.MetricsRequest(name=ref.name, buckets=1_000_000))


class Watcher:
    """Keeps what a client that watches would draw."""

    def __init__(self, world: World, request: pb.MetricsRequest) -> None:
        self.lines: dict[str, list[tuple[float, float]]] = {}
        self.live = asyncio.Event()
        self._news = world.sessions().WatchMetrics(request)

    async def run(self) -> None:
        async for news in self._news:
            if news.anew:
                self.lines.clear()
            for series in news.series:
                told = zip(series.steps, series.values, strict=True)
                self.lines.setdefault(series.name, []).extend(told)
            if news.live:
                self.live.set()


async def test_who_watches_sees_what_there_is_and_what_comes(
    world: World, ref: pb.AttemptRef
) -> None:
    watcher = Watcher(world, pb.MetricsRequest(name=ref.name, series=["a"]))
    link = Link(world, ref)
    await link.tell(points(ref, 1, ("a", 1, 1.0), ("b", 1, 1.0)))
    await link.acknowledged(1)
    watching = asyncio.create_task(watcher.run())
    await watcher.live.wait()
    await link.tell(points(ref, 2, ("a", 2, 2.0)), said(ref, 3, b"x"), points(ref, 4, ("b", 1, 1)))
    await link.tell(points(ref, 5, ("a", 3, 3.0)))
    await link.hang_up()
    await world.ended(ref)
    await watching

    assert watcher.lines == {"a": [(1, 1.0), (2, 2.0), (3, 3.0)]}


async def test_who_watches_sees_a_resumed_session_begin_again(
    world: World, ref: pb.AttemptRef
) -> None:
    await told(world, ref, points(ref, 1, ("a", 1, 1.0), ("a", 2, 1.0)))
    await world.ended(ref, exit_code=1)
    await world.sessions().Resume(pb.ResumeRequest(name=ref.name, from_start=True))
    watcher = Watcher(world, pb.MetricsRequest(name=ref.name))
    watching = asyncio.create_task(watcher.run())
    await watcher.live.wait()
    again = await world.started(ref.name, attempt=2)
    await told(world, again, points(again, 1, ("a", 2, 2.0)), points(again, 2, ("a", 3, 2.0)))
    await world.ended(again)
    await watching

    assert watcher.lines == {"a": [(1, 1.0), (2, 2.0), (3, 2.0)]}
