"""Who one is here, and what one may hold."""

import asyncio

from starlette.responses import Response

from nsml_protos import identity_pb2, scheduler_pb2
from nsml_web.visit import Visit


async def show(visit: Visit) -> Response:
    """Show the person, their teams, and the quota."""
    request = scheduler_pb2.QuotaRequest()
    who, teams, quota = await asyncio.gather(
        visit.client.whoami(),
        visit.client.call(
            "Identity/ListTeams", identity_pb2.ListTeamsRequest(), identity_pb2.ListTeamsReply
        ),
        visit.client.call("Scheduler/GetQuota", request, scheduler_pb2.QuotaReply),
    )
    return visit.page("account.html", who=who, quota=quota, teams=teams.teams)
