"""Lists of the past: who lived then, page by page, also where the clock was set back."""

from datetime import UTC, datetime, timedelta

import pytest

from nsml_core.tables import span
from nsml_protos import session_pb2 as pb
from nsml_session import views
from tests.services.world import World


async def names(world: World, time: datetime, **asked: object) -> list[str]:
    at_us = int(time.timestamp() * 1e6)
    request = pb.ListSessionsRequest(at_us=at_us, **asked)  # type: ignore[arg-type]
    reply = await world.sessions().List(request)
    return [row.session.name.rpartition("/")[2] for row in reply.sessions]


async def test_who_lived_at_a_time_is_found_on_all_pages(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "_PAGE", 2)
    for number in range(1, 8):
        await world.run(tags=["odd"] if number % 2 else [])
        if number in (2, 4, 6):
            await world.sessions().Stop(pb.StopRequest(name=f"ann/None/{number}"))
    between = datetime.now(UTC)
    await world.run()
    await world.sessions().Stop(pb.StopRequest(name="ann/None/1"))
    await world.sessions().Resume(pb.ResumeRequest(name="ann/None/2", from_start=True))
    await world.floors["session"].view.see_all()

    assert await names(world, between) == ["7", "5", "3", "1"]
    assert await names(world, between, all=True) == ["7", "6", "5", "4", "3", "2", "1"]
    assert await names(world, between, all=True, limit=3) == ["7", "6", "5"]
    assert await names(world, between, all=True, tag="od?") == ["7", "5", "3", "1"]
    assert await names(world, datetime.now(UTC)) == ["8", "7", "5", "3", "2"]


def test_a_life_whose_clock_was_set_back_is_empty() -> None:
    born = datetime(2026, 1, 1)  # noqa: DTZ001 - as the column has it

    back = span(born, born - timedelta(minutes=5))
    assert (back.lower, back.upper) == (born, born)  # type: ignore[attr-defined]
    assert span(born, None).upper is None  # type: ignore[attr-defined]
