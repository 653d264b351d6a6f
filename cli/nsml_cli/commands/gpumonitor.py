"""`nsml gpumonitor`: each GPU, how busy it is, and who holds it."""

import click

from nsml_cli import glance, options, output
from nsml_cli.client import open_client
from nsml_core.errors import NotFound


@click.command()
@click.option("--node", "-n", metavar="N", default="", help="Only those of this node.")
@options.as_json
def gpumonitor(*, node: str, as_json: bool) -> None:
    """Show each GPU, how busy it is, its memory, and the session that holds it.

    What a session uses is shown to its owner; `nsml top` goes on showing it.
    """
    seen = glance.look(open_client())
    if node and all(use.node.name != node for use in seen.nodes):
        raise NotFound(f"There is no node {node}: `nsml node ls` shows those that have joined.")
    found = [device for device in glance.devices(seen) if node in {"", device.node}]
    if as_json:
        output.as_json([device.shape() for device in found])
        return
    output.table(glance.DEVICES, [device.cells() for device in found], "There are no GPUs here.")
