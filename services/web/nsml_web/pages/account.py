"""Who one is here: profile, password, and what one may hold; the tabs of one's account."""

import asyncio
from typing import Any

from starlette.responses import Response

from nsml_core.errors import Error
from nsml_web.entrance import entered
from nsml_web.pages.entering import check_twice
from nsml_web.visit import Visit

_CONFLICT = 409


async def show(visit: Visit, sentence: str = "", status: int = 200) -> Response:
    """Show the person, their password's form, and what they or a team may hold."""
    owner = visit.query("owner") or visit.client.user
    quota = await visit.client.policy.quota(owner)
    values = {"tab": "profile", "owner": owner, "quota": quota, "sentence": sentence}
    return await tab(visit, "account.html", status, **values)


async def tab(visit: Visit, template: str, status: int = 200, **values: Any) -> Response:
    """Answer with a page of the account."""
    who, teams = await asyncio.gather(visit.client.whoami(), visit.client.teams.ls())
    return visit.page(template, status, who=who, teams=teams, **values)


async def change_password(visit: Visit) -> Response:
    """Choose another password: every other login ends, and this browser has a new one."""
    try:
        check_twice(visit)
        reply = await visit.web.nobody.logins.set_password(
            visit.client.user, visit.field("old"), visit.field("password")
        )
    except Error as error:
        return await show(visit, error.sentence, _CONFLICT)
    return entered(visit, reply.token, "/account", own=True)
