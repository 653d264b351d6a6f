"""For admins: people, teams and nodes; each page shows what was changed last of its kind."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from nsml_core.errors import Error
from nsml_protos.care_pb2 import TrailLine, TrailRequest
from nsml_protos.identity_pb2 import InviteReply
from nsml_web.faults import for_form
from nsml_web.forms import flag, tried
from nsml_web.visit import Visit

_CONFLICT = 409
_LATELY = 8


async def trail(visit: Visit, service: str, request: TrailRequest) -> list[TrailLine]:
    """Return who did what in a service, newest first; only admins get it."""
    replies = visit.client.admin.trail(service, request)
    return [line async for reply in replies for line in reply.lines]


async def tab(
    visit: Visit, template: str, status: int = 200, *, service: str, **values: Any
) -> Response:
    """Answer with a page for admins; the service itself refuses all others."""
    lately = await trail(visit, service, TrailRequest(limit=_LATELY, what=values.pop("what", "")))
    return visit.page(template, status, lately=lately, **values)


async def people(
    visit: Visit, sentence: str = "", status: int = 200, invited: InviteReply | None = None
) -> Response:
    """Show everybody, and every team; an invitation that was made just now, this once."""
    users, teams = await asyncio.gather(
        visit.client.users.ls(), visit.client.teams.ls(everybodys=True)
    )
    return await tab(
        visit,
        "admin_people.html",
        status,
        service="identity",
        tab="people",
        users=users,
        teams=teams,
        invited=invited,
        origin=visit.web.settings.origin,
        sentence=sentence,
    )


async def invite(visit: Visit) -> Response:
    """Make somebody known, or invite them anew, and show by what they come in."""
    try:
        reply = await visit.client.users.invite(
            visit.field("name").strip(),
            admin=bool(flag(visit, "admin")),
            login=visit.field("login").strip(),
            mail=visit.field("mail").strip(),
            full_name=visit.field("full_name").strip(),
        )
    except Error as error:
        return await people(visit, for_form(error), _CONFLICT)
    return await people(visit, invited=reply)


async def change(visit: Visit) -> Response:
    """Let somebody in or not, and be an admin or not."""
    work = visit.client.users.change(
        visit.field("name"),
        admin=flag(visit, "admin"),
        disabled=flag(visit, "disabled"),
        reason=visit.field("reason"),
    )
    return await tried(visit, work, people, "/admin/people")


async def erasing(visit: Visit, sentence: str = "", status: int = 200) -> Response:
    """Ask whether an account is really to be erased."""
    name = visit.query("name") or visit.field("name")
    return await tab(
        visit,
        "admin_erase.html",
        status,
        service="identity",
        tab="people",
        whose=name,
        what=name or "*",
        sentence=sentence,
    )


async def erase(visit: Visit) -> Response:
    """End an account for good; the name is typed once more, so that nobody is erased by a slip."""
    if visit.field("again") != visit.field("name"):
        return await erasing(visit, visit.said("Type the name once more to erase it."), _CONFLICT)
    work = visit.client.users.erase(visit.field("name"))
    return await tried(visit, work, erasing, "/admin/people")


async def found_team(visit: Visit) -> Response:
    """Make a team with its first owner."""
    work = visit.client.teams.create(visit.field("name").strip(), visit.field("owner").strip())
    return await tried(visit, work, people, "/admin/people")


async def nodes(visit: Visit, sentence: str = "", status: int = 200) -> Response:
    """Show nodes, and what can be done with each."""
    found = await visit.client.nodes.ls()
    return await tab(
        visit,
        "admin_nodes.html",
        status,
        service="scheduler",
        tab="nodes",
        nodes=found,
        what="Node*",
        sentence=sentence,
    )


async def cordon(visit: Visit) -> Response:
    """Let a node take nothing new."""
    work = visit.client.nodes.cordon(visit.field("name"), reason=visit.field("reason"))
    return await tried(visit, work, nodes, "/admin/nodes")


async def uncordon(visit: Visit) -> Response:
    """Let a node take sessions again."""
    return await tried(
        visit, visit.client.nodes.uncordon(visit.field("name")), nodes, "/admin/nodes"
    )


async def drain(visit: Visit) -> Response:
    """Empty a node, as its sessions end or at once."""
    work = visit.client.nodes.drain(
        visit.field("name"), now=bool(flag(visit, "at_once")), reason=visit.field("reason")
    )
    return await tried(visit, work, nodes, "/admin/nodes")


async def remove_node(visit: Visit) -> Response:
    """Let a node go for good."""
    work = visit.client.nodes.rm(visit.field("name"), reason=visit.field("reason"))
    return await tried(visit, work, nodes, "/admin/nodes")


def since(text: str) -> int:
    """Return the beginning of a day as microseconds since 1970; of no day, the beginning of all."""
    try:
        day = datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return 0
    return int(day.timestamp()) * 1_000_000
