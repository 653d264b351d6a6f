"""For whom something is made in the web, and cheering there."""

import re

from starlette.applications import Starlette

from nsml_protos import session_pb2 as pb
from tests.services.acting import CREW, MIA, SAM, VIC
from tests.services.competition import opened, scored, trained
from tests.services.test_access import Team
from tests.web.inside import Inside


def owners(page: str) -> list[str]:
    """Return as whom a form can be sent."""
    choice = page.partition('<select name="as"')[2].partition("</select>")[0]
    return re.findall(r">([a-z]+)</option>", choice)


async def test_a_fork_is_whose_the_form_says(team: Team, app: Starlette) -> None:
    name = (await team.run(memo="to be forked")).name
    mia, vic = Inside(app, team.token(MIA)), Inside(app, team.token(VIC))
    form = await mia.get(f"/sessions/{name}/fork?as={CREW}")

    assert owners(form.text) == ["mia", CREW]
    assert f'<option value="{CREW}" selected>' in form.text
    assert f"nsml fork {name} --team {CREW}" in form.text
    for acts, owner in ((CREW, CREW), ("", "mia")):
        sent = {"csrf": form.csrf, "as": acts, "entry": "main.py"}
        made = await mia.post(f"/sessions/{name}/fork", sent)
        assert made.to.startswith(f"/sessions/{owner}/")
        assert (await mia.get(made.to)).status == 200  # what one has made is there at once
    # A viewer makes nothing for the team, and is not asked; who asks for it by hand is told so.
    assert owners((await vic.get(f"/sessions/{name}/fork")).text) == []
    asked = await vic.get(f"/sessions/{name}/fork?as={CREW}")
    assert (asked.status, "no team crew for which you may make" in asked.text) == (404, True)


async def test_a_cheer_is_given_and_taken_back_where_a_ranking_is(
    team: Team, app: Starlette
) -> None:
    await opened(team, "race")
    await scored(team, await trained(team, "race", VIC), 0.5, VIC)
    mia = Inside(app, team.token(MIA))
    for page, said in (("/boards/race", "--uncheer vic"), ("/datasets/race", "--cheer vic")):
        shown = await mia.get(page)
        form = re.search(r'name="withdraw" value="([a-z]*)"', shown.text)
        assert form
        sent = {"csrf": shown.csrf, "owner": "vic", "withdraw": form[1]}
        if page.startswith("/datasets"):
            sent["dataset"] = "race"
        answer = await mia.post("/boards/race/cheer", sent)
        assert answer.to == page
        assert f"nsml board race {said}" in (await mia.get(page)).text
    own = await Inside(app, team.token(VIC)).get("/boards/race")
    assert "--cheer vic" not in own.text


async def test_a_team_of_others_has_no_quota_to_see(team: Team, app: Starlette) -> None:
    for who, status in ((MIA, 200), (SAM, 403)):
        assert (await Inside(app, team.token(who)).get(f"/account?owner={CREW}")).status == status


async def test_a_team_competes(team: Team, app: Starlette) -> None:
    await opened(team, "relay")
    source = await trained(team, "relay", MIA)
    mia = Inside(app, team.token(MIA))
    form = await mia.get(f"/sessions/{source}/submit")
    sent = {"csrf": form.csrf, "as": CREW, "checkpoint": "5", "board": "relay"}
    made = await mia.post(f"/sessions/{source}/submit", sent)

    name = made.to.removeprefix("/sessions/")
    assert name.startswith(f"{CREW}/relay/")
    assert (await team.sessions(MIA).Get(pb.SessionRef(name=name))).owner == CREW
