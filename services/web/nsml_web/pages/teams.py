"""One's teams: who is in them, and as what; owners take in and let go."""

from starlette.responses import Response

from nsml_core.errors import Invalid
from nsml_protos.identity_pb2 import Role
from nsml_web.forms import tried, whole
from nsml_web.pages.account import tab
from nsml_web.visit import Visit

ROLES: dict[int, str] = {int(number): name.lower() for name, number in Role.items() if number}


async def show(visit: Visit, sentence: str = "", status: int = 200) -> Response:
    """Show the teams that one belongs to."""
    return await tab(visit, "teams.html", status, tab="teams", roles=ROLES, sentence=sentence)


async def set_member(visit: Visit) -> Response:
    """Take somebody in, or give them another role."""
    role = whole(visit, "role", Role.MEMBER)
    if role not in ROLES:
        raise Invalid(f"There is no role {role}: there are {', '.join(ROLES.values())}.")
    work = visit.client.teams.set_member(visit.field("team"), visit.field("name"), ROLES[role])
    return await tried(visit, work, show, "/teams")


async def remove_member(visit: Visit) -> Response:
    """Let somebody go; anybody may leave by themself."""
    work = visit.client.teams.remove_member(visit.field("team"), visit.field("name"))
    return await tried(visit, work, show, "/teams")
