"""`nsml vm`: the classes of machines that job files name."""

import click

from nsml_cli import machines, options, output
from nsml_cli.client import open_client
from nsml_cli.output import Column
from nsml_protos import scheduler_pb2

_COLUMNS = (
    Column("VM"),
    Column("Cloud"),
    Column("Region"),
    Column("Device"),
    Column("GPUs", right=True),
    Column("Quota", right=True),
)


@click.group(no_args_is_help=True)
def vm() -> None:
    """VMs: the classes of machines that job files name."""


@vm.command("list")
@click.option("--cloud", "-c", metavar="CLOUD", default="", help="Only those of this cloud.")
@click.option("--device", "-d", metavar="TYPE", default="", help="Only those with this GPU.")
@options.as_json
def list_all(*, cloud: str, device: str, as_json: bool) -> None:
    """List the classes of machines.

    Quota is how many of them the nodes here could be, by the number of their GPUs, and at most
    what vms.yaml in the home allows. The model of a GPU is not looked at.
    """
    client = open_client()
    found = [
        machine
        for machine in machines.table(client.settings.home)
        if cloud in {"", machine.cloud} and device.upper() in {"", machine.device}
    ]
    reply = client.call(
        "Scheduler/Cluster", scheduler_pb2.ClusterRequest(), scheduler_pb2.ClusterReply
    )
    nodes = [use.node for use in reply.nodes]
    if as_json:
        output.as_json([
            {
                "name": machine.name,
                "cloud": machine.cloud,
                "region": machine.region,
                "device": machine.device,
                "gpus": machine.gpus,
                "quota": machine.quota(nodes),
            }
            for machine in found
        ])  # fmt: skip
        return
    rows = [[*machine[:4], str(machine.gpus), str(machine.quota(nodes))] for machine in found]
    output.table(_COLUMNS, rows, "No class of machines matches.")
