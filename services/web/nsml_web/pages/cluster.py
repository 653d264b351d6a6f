"""The cluster: nodes and devices, who holds them, and who waits for what."""

import asyncio

from starlette.responses import Response

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
    return visit.page("cluster.html", nodes=found.nodes, queue=queue, holders=holders)
