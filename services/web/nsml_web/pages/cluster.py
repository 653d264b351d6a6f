"""The cluster: nodes and devices, who holds them, and who waits for what."""

import asyncio

from starlette.responses import Response

from nsml_core.masks import SOMEBODYS
from nsml_web.visit import Visit


async def show(visit: Visit) -> Response:
    """Show nodes, and the queue with its reasons."""
    found, queue = await asyncio.gather(visit.client.cluster(), visit.client.queue())
    holders = {
        (use.node.name, device): work.session
        for use in found.nodes
        for work in use.running
        for device in work.devices
    }
    running = {work.session for use in found.nodes for work in use.running} - {SOMEBODYS}
    told = await visit.client.sessions.usage(*sorted(running)) if running else []
    used = {each.name: each.usage for each in told if not each.rank}
    return visit.page(
        "cluster.html",
        nodes=found.nodes,
        queue=queue,
        holders=holders,
        used=used,
        somebodys=SOMEBODYS,
    )
