"""Nodes as the command line shows them: what is given away of what each has."""

from collections.abc import Sequence

from nsml_cli.output import Column
from nsml_cli.sessions import Shape
from nsml_cli.text import iso, size
from nsml_protos.scheduler_pb2 import Node, NodeUse

COLUMNS = (
    Column("Node"),
    Column("State", is_status=True),
    Column("GPUs", right=True),
    Column("CPUs", right=True),
    Column("Memory", right=True),
    Column("Sessions", right=True),
    Column("Why", may_cut=True),
)
"""GPUs, CPUs and memory: allocated / total."""


def state(node: Node) -> str:
    """Return whether it takes sessions."""
    if node.HasField("lost"):
        return "Lost"
    return "Draining" if node.draining else "Cordoned" if node.cordoned else "Ready"


def rows(uses: Sequence[NodeUse]) -> list[list[str]]:
    """Return a line for each node, and one for all where there are several."""
    found = [[use.node.name, state(use.node), *_given([use]), use.node.reason] for use in uses]
    return [*found, ["all", "", *_given(uses), ""]] if len(uses) > 1 else found


def _given(uses: Sequence[NodeUse]) -> list[str]:
    running = [work for use in uses for work in use.running]
    memory = sum(work.resources.memory_bytes for work in running)
    return [
        f"{sum(len(work.devices) for work in running)}/{sum(len(u.node.devices) for u in uses)}",
        f"{sum(work.resources.cpus for work in running)}/{sum(use.node.cpus for use in uses)}",
        f"{size(memory)}/{size(sum(use.node.memory_bytes for use in uses))}",
        str(len(running)),
    ]


def shape(use: NodeUse) -> Shape:
    """Return a node as `-j` prints it."""
    node = use.node
    return {
        "name": node.name,
        "state": state(node).lower(),
        "reason": node.reason,
        "lost": iso(node.lost) if node.HasField("lost") else None,
        "joined": iso(node.joined),
        "zone": node.zone,
        "labels": dict(node.labels),
        "cpus": node.cpus,
        "cpus_allocated": sum(work.resources.cpus for work in use.running),
        "memory_bytes": node.memory_bytes,
        "memory_bytes_allocated": sum(work.resources.memory_bytes for work in use.running),
        "shm_bytes": node.shm_bytes,
        "devices": [
            {
                "id": device.id,
                "model": device.model,
                "memory_bytes": device.memory_bytes,
                "slice": device.slice,
                "session": _holder(use, device.id),
            }
            for device in node.devices
        ],
    }


def _holder(use: NodeUse, device: str) -> str | None:
    return next((work.session for work in use.running if device in work.devices), None)
