"""Hundreds of sessions compared: by what is looked for, or by their names."""

import json

import pytest
from starlette.applications import Starlette

from tests.services.acting import MIA, SAM
from tests.services.test_access import Team
from tests.web.inside import Inside

COUNT = 23


@pytest.fixture
async def team(team: Team) -> Team:
    """The same, with many sessions."""
    for number in range(COUNT):
        await team.run(args=["--lr", f"0.{number}"], tags=["sweep"])
    await team.run(memo="another")
    await team.floors["session"].view.see_all()
    return team


async def test_many_are_compared_by_what_is_looked_for_or_by_name(
    team: Team, app: Starlette
) -> None:
    mia, sam = Inside(app, team.token(MIA)), Inside(app, team.token(SAM))
    names = [f"crew/None/{number}" for number in range(COUNT, 0, -1)]
    for query in ("owner=crew&tag=sweep", "s=" + "+".join(names)):
        page = (await mia.get(f"/compare?{query}")).text
        assert f'data-of="{" ".join(names)}" data-most="10"' in page
        assert '<table class="compare">' not in page
        axes = json.loads((await mia.get(f"/compare/axes?{query}")).text)
        assert axes["sessions"] == names
        assert axes["axes"][0]["numbers"]["given"][-1] == 0.0
        assert json.loads((await mia.get(f"/compare/series?{query}")).text) == {"series": []}
    few = (await mia.get("/compare?owner=crew&q=another&s=crew/None/1")).text
    assert f'data-of="crew/None/1 crew/None/{COUNT + 1}" data-none' in few
    assert "Compare all 23" in (await mia.get("/sessions?owner=crew&tag=sweep")).text
    # Whoever may not see them finds none of them, and learns of none by name.
    assert "crew/None" not in (await sam.get("/compare?owner=crew&tag=sweep")).text
    assert (await sam.get("/compare?s=crew/None/1")).status == 404


async def test_more_than_can_be_compared_are_refused(team: Team, app: Starlette) -> None:
    names = "+".join(f"crew/None/{number}" for number in range(501))
    answer = await Inside(app, team.token(MIA)).get(f"/compare?s={names}")

    assert (answer.status, "compare 500 at most" in answer.text) == (400, True)
