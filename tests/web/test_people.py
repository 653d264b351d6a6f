"""Pages of one's account and of admins: tokens, teams, storage, people, nodes, policy, credit."""

import tempfile
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from re import search

import pytest
from starlette.applications import Starlette

from nsml_core.caller import Caller
from nsml_core.errors import NotPermitted, Unauthenticated
from nsml_core.settings import Settings
from nsml_protos import identity_pb2 as pb
from nsml_protos import session_pb2 as ss
from tests.faults.asked_scheduler import EXAMPLES
from tests.services.acting import CREW, MIA, SAM, found_crew
from tests.services.conftest import opened_world
from tests.services.world import ANN, ROOT, World, eventually
from tests.web.inside import Answer, Inside, serving


@pytest.fixture
async def world(config: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with opened_world(config, monkeypatch) as found:
        await found_crew(found)
        yield found


@pytest.fixture
async def app(world: World) -> AsyncIterator[Starlette]:
    found = serving(world.settings)
    yield found
    await found.state.web.close()


async def sends(browser: Inside, path: str, **form: str) -> Answer:
    """Send a form of this login."""
    csrf = (await browser.get("/account")).csrf
    return await browser.post(path, {"csrf": csrf, **form})


def complaint(answer: Answer) -> str:
    found = search(r'role="alert">([^<]+)<', answer.text)
    return unescape(found[1]) if found else ""


async def test_a_token_is_shown_once_may_what_it_says_and_is_revoked(
    world: World, app: Starlette
) -> None:
    ann = Inside(app, world.token(ANN))
    made = await sends(ann, "/account/tokens", name="ci", scopes="read", days="30")
    found = search(r'class="token">([^<]+)<', made.text)
    assert found
    token = found[1]
    again = await sends(ann, "/account/tokens", name="ci", days="30")
    listed = await ann.get("/account/tokens")

    assert complaint(again).startswith("You have a token ci already")
    assert (token in listed.text, "<b>ci</b>" in listed.text) == (False, True)
    script = ann.web.client(token)
    assert (await script.whoami()).name == "ann"
    with pytest.raises(NotPermitted, match="for read only"):
        await script.tokens.create("more")
    issued = next(one for one in await ann.web.client(world.token(ANN)).tokens.ls())
    assert (await sends(ann, "/account/tokens/revoke", token=issued.id)).to == "/account/tokens"

    async def is_void() -> bool:
        try:
            await script.whoami()
        except Unauthenticated:
            return True
        return False

    await eventually(is_void)


async def test_owners_lead_their_team_and_others_see_who_is_in_it(
    world: World, app: Starlette
) -> None:
    ann, mia = Inside(app, world.token(ANN)), Inside(app, world.token(MIA))
    wanted = {"team": CREW, "name": "sam", "role": str(pb.VIEWER)}
    assert (await sends(mia, "/teams/member", **wanted)).status == 403
    assert (await sends(ann, "/teams/member", **wanted)).to == "/teams"
    sam = Inside(app, world.token(SAM))

    async def is_in() -> bool:
        return CREW in (await sam.get("/teams")).text

    await eventually(is_in)
    assert "Take in" in (await ann.get("/teams")).text
    assert "Take in" not in (await sam.get("/teams")).text
    last = await sends(ann, "/teams/remove", team=CREW, name="ann")
    assert complaint(last).startswith("ann is the only owner of crew")
    assert (await sends(sam, "/teams/remove", team=CREW, name="sam")).to == "/teams"
    assert CREW not in (await sam.get("/teams")).text


async def test_what_takes_room_is_shown_by_size_and_removed(world: World, app: Starlette) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tree = await world.stored(Path(folder) / "data", "content")
    await world.push("kept", tree)
    ref = await world.started((await world.run()).name)
    saved = ss.Checkpoint(name="5", tree=tree, bytes=3 << 20)
    await world.attempts(ref.name).SaveCheckpoint(
        ss.SaveCheckpointRequest(ref=ref, checkpoint=saved)
    )
    await world.ended(ref)
    ann = Inside(app, world.token(ANN))

    async def is_shown() -> bool:
        text = (await ann.get("/account/storage")).text
        return "3.00 MB" in text and 'href="/datasets/kept/remove"' in text

    await eventually(is_shown)
    assert (
        "Remove the model 5?" in (await ann.get(f"/sessions/{ref.name}/models/remove?name=5")).text
    )
    gone = await sends(ann, f"/sessions/{ref.name}/models/remove", checkpoint="5")
    assert gone.to == f"/sessions/{ref.name}/models"
    assert "Remove the dataset kept?" in (await ann.get("/datasets/kept/remove")).text
    assert (await sends(ann, "/datasets/kept/remove")).to == "/account/storage"
    assert (await ann.get("/datasets/kept")).status == 404


async def test_admins_invite_and_erase_people(world: World, app: Starlette) -> None:
    root = Inside(app, world.token(ROOT))
    invited = await sends(root, "/admin/people", name="kim", full_name="Kim Han")
    link = search(r"/invitation\?name=kim&amp;code=[\w-]+", invited.text)
    assert link
    kim = Inside(app)
    page = await kim.get(unescape(link[0]))
    assert 'value="kim"' in page.text
    assert (await root.get("/admin/people")).text.count(link[0]) == 0

    slip = await sends(root, "/admin/people/erase", name="kim", again="kin")
    own = await sends(root, "/admin/people/erase", name="root", again="root")
    assert complaint(slip) == "Type the name once more to erase it."
    assert complaint(own).startswith("This is your own account")
    erased = await sends(root, "/admin/people/erase", name="kim", again="kim")
    assert erased.to == "/admin/people"
    trail = await root.get("/admin/audit?what=Erased")
    assert "<td>user:root</td><td>Erased</td><td>kim</td>" in trail.text


async def test_admins_close_nodes_and_set_rules(world: World, app: Starlette) -> None:
    root = Inside(app, world.token(ROOT))
    cordon = next(one for one in EXAMPLES if one.method == "Scheduler/Cordon")
    name = (await cordon.prepare(world, 1)).name
    assert (await sends(root, "/admin/nodes/cordon", name=name)).to == "/admin/nodes"
    assert (await sends(root, "/admin/policy", preemption="false")).to == "/admin/policy"
    urgent = {"name": "urgent", "rank": "50", "who": "ann, crew"}
    assert (await sends(root, "/admin/policy/class", **urgent)).to == "/admin/policy"
    wrong = await sends(root, "/admin/policy/class", name="low", rank="x")
    policy = await root.get("/admin/policy")

    assert complaint(wrong) == "'x' is no number: write one such as 8."
    assert '<b>urgent</b></td><td class="right">50</td>' in policy.text
    assert '<option value="false" data-said="off" selected>' in policy.text
    trail = (await root.get("/admin/audit")).text
    assert [word for word in ("NodeCordoned", "PolicySet", "ClassSet") if word not in trail] == []


async def test_admins_grant_once_and_set_quotas(world: World, app: Starlette) -> None:
    root = Inside(app, world.token(ROOT))
    given = {"owner": "mia", "amount": "7.5", "reason": "for a talk", "key": "one"}
    for _ in range(2):
        answer = await sends(root, "/admin/credit/grant", **given)
        assert answer.to == "/admin/credit?owner=mia"
    quota = {"owner": "mia", "gpus": "2", "storage": "170G"}
    assert (await sends(root, "/admin/quota", **quota)).to == "/admin/credit?owner=mia"
    fine = await sends(root, "/admin/credit/grant", owner="mia", amount="much")
    book = await root.web.client(world.token(Caller("user", "mia"))).credit.balance()

    assert complaint(fine).startswith("'much' is no number of credits")
    assert book.granted == (100 + 7.5) * 60_000
    page = (await root.get("/admin/credit?owner=mia")).text
    assert "170.00 GB" in page
    assert 'name="gpus" min="0" value="2"' in page
