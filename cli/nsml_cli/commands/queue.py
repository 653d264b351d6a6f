"""`nsml queue`: who waits, in the order in which they are looked at."""

import click

from nsml_cli import options, output
from nsml_cli.client import open_client
from nsml_cli.output import Column
from nsml_cli.sessions import Shape
from nsml_cli.text import clock, iso, size, when
from nsml_protos import scheduler_pb2, session_pb2
from nsml_protos.gangs import node_count

_COLUMNS = (
    Column("#", right=True),
    Column("Session"),
    Column("Since"),
    Column("Needs"),
    Column("Priority"),
    Column("Share", right=True),
    Column("Why", may_cut=True),
    Column("Expected"),
)


@click.command()
@options.as_json
def queue(*, as_json: bool) -> None:
    """Show who waits: in order, why, and when each is expected to start.

    Share is how much of the cluster its owner has used of late, against their weight.
    """
    lines = open_client().queue()
    if as_json:
        output.as_json([_shape(line) for line in lines])
        return
    output.table(_COLUMNS, [_cells(line) for line in lines], "Nobody waits.")


def _cells(line: scheduler_pb2.QueueLine) -> list[str]:
    work = line.work
    weight = f" / {line.weight:g}" if line.weight != 1 else ""
    return [
        str(line.position or ""),
        work.session,
        when(work.queued),
        needs(work.resources),
        priority(work),
        f"{line.share:.0%}{weight}",
        line.reason,
        clock(line.estimate) if line.HasField("estimate") else "",
    ]


def needs(need: session_pb2.Resources) -> str:
    """Return such as 2 GPU 4 CPU 8.00 GB."""
    parts = [f"{need.gpus} GPU"] if need.gpus else []
    parts += [f"{need.cpus} CPU"] if need.cpus else []
    parts += [size(need.memory_bytes)] if need.memory_bytes else []
    nodes = [f"on each of {need.nodes} nodes"] if need.nodes > 1 else []
    return " ".join([*parts, *nodes])


def priority(work: scheduler_pb2.Work) -> str:
    """Return the class that it is in, and whether anybody may take its room."""
    word = class_name(work)
    return f"{word}, preemptible" if work.preemptible else word


def class_name(work: scheduler_pb2.Work) -> str:
    """Return the name of its class: one that an admin named, or low, normal or high."""
    built_in = session_pb2.Priority.Name(work.priority or session_pb2.NORMAL)
    return work.resources.priority_class or built_in.lower()


def _shape(line: scheduler_pb2.QueueLine) -> Shape:
    work = line.work
    return {
        "session": work.session,
        "owner": work.owner,
        "position": line.position,
        "reason": line.reason,
        "estimate": iso(line.estimate) if line.HasField("estimate") else None,
        "priority": class_name(work),
        "preemptible": work.preemptible,
        "preemptions": work.preemptions,
        "after": list(work.after),
        "gpus": work.resources.gpus,
        "cpus": work.resources.cpus,
        "memory_bytes": work.resources.memory_bytes,
        "nodes": node_count(work.resources),
        "queued": iso(work.queued),
        "waiting_since": iso(work.waiting_since),
        "share": line.share,
        "weight": line.weight,
    }
