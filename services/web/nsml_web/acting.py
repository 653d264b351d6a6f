"""As whom a person acts: themself, or a team in which they may make things."""

from nsml_client.aio import AsyncClient
from nsml_core.errors import NotFound
from nsml_protos.identity_pb2 import Role
from nsml_web.visit import Visit

FIELD = "as"
"""What the choice is called in addresses and forms."""


async def roles(visit: Visit) -> dict[str, int]:
    """Return a person's teams, and their role in each."""
    user = visit.client.user
    return {
        team.name: one.role
        for team in await visit.client.teams.ls()  # an admin's are everybody's
        for one in team.members
        if one.name == user
    }


async def choice(visit: Visit) -> dict[str, object]:
    """Return what a form needs to ask as whom it is sent.

    Raises:
        NotFound: The address asks for a team for which they may make nothing.
    """
    teams = sorted(name for name, role in (await roles(visit)).items() if role >= Role.MEMBER)
    wanted = chosen(visit)
    if wanted and wanted not in {visit.client.user, *teams}:
        raise NotFound(
            f"There is no team {wanted[:40]} for which you may make anything: `nsml teams` shows "
            "yours."
        )
    return {"owners": [visit.client.user, *teams], "acts": wanted if wanted in teams else ""}


def chosen(visit: Visit) -> str:
    """Return as whom the form was sent, or the address asks to; empty: as oneself."""
    return visit.field(FIELD) if FIELD in visit.form else visit.query(FIELD)


def client(visit: Visit) -> AsyncClient:
    """Speak as the person for whom they chose; whether they may, the services say."""
    team = chosen(visit)
    if team in {"", visit.client.user}:
        return visit.client
    return visit.web.client(visit.require_login().token, team)
