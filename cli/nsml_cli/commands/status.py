"""`nsml status`: the parts of the platform, its nodes and its queue."""

from typing import TYPE_CHECKING

import click

from nsml_cli import embedded, nodes, options, output, sessions
from nsml_cli.client import open_client
from nsml_cli.output import Column
from nsml_cli.sessions import Shape
from nsml_cli.text import duration, iso, size, when
from nsml_client.access import NOT_RUNNING
from nsml_core.errors import Error, Unavailable
from nsml_core.settings import home_folder
from nsml_protos import scheduler_pb2

if TYPE_CHECKING:  # an installation without the embedded mode has none
    from nsml_local.parts import Part

_PARTS = (
    Column("Part"),
    Column("State", is_status=True),
    Column("PID", right=True),
    Column("Uptime", right=True),
    Column("Memory", right=True),
    Column("Address", may_cut=True),
)
_QUEUE = (
    Column("Queued"),
    Column("Since"),
    Column("GPUs", right=True),
    Column("CPUs", right=True),
    Column("Memory", right=True),
)


@click.command()
@click.argument("name", metavar="[SESSION]", default="")
@click.option("--verbose", "-v", is_flag=True, help="Addresses too.")
@options.as_json
def status(*, name: str, verbose: bool, as_json: bool) -> None:
    """Show the platform's parts, its nodes and its queue.

    With SESSION: print the status of that session instead.
    """
    if name:
        _session_status(name, as_json=as_json)
        return
    local = embedded.module()
    parts = local.status(home_folder())
    leads = local.notifications(home_folder())
    is_down = all(part.state == "stopped" for part in parts)
    if is_down and as_json:
        output.as_json({
            "parts": [_part(part) for part in parts],
            "notifications": leads,
            "nodes": [],
            "queue": [],
        })  # fmt: skip
    if is_down:
        raise Unavailable(NOT_RUNNING)
    cluster = _cluster()
    if as_json:
        shown = cluster or scheduler_pb2.ClusterReply()
        output.as_json({
            "parts": [_part(part) for part in parts],
            "notifications": leads,
            "nodes": [_node(use) for use in shown.nodes],
            "queue": [_work(one) for one in shown.queue],
        })  # fmt: skip
        return
    _show_parts(parts, verbose=verbose)
    told = [f"{name} to {place}" for name, place in leads.items() if place]
    output.show("")
    output.facts([("News by", ", ".join(told) or "nobody is told: see docs/notifications.md")])
    if cluster is not None:
        _show_cluster(cluster)


def _session_status(name: str, *, as_json: bool) -> None:
    one = sessions.get(open_client(), name)
    if as_json:
        output.as_json({
            "name": one.name,
            "status": sessions.status(one),
            "reason": one.reason,
            "zombie_since": iso(one.zombie_since),
        })  # fmt: skip
    else:
        output.show(sessions.status_line(one))


def _cluster() -> scheduler_pb2.ClusterReply | None:
    """Return what the scheduler knows; a platform in pieces is shown without."""
    try:
        return open_client().cluster()
    except Error as error:
        output.fail(error.sentence)
        return None


def _show_parts(parts: "list[Part]", *, verbose: bool) -> None:
    rows = [
        [
            part.name,
            part.state,
            str(part.pid or ""),
            "" if part.uptime_seconds is None else duration(part.uptime_seconds),
            "" if part.memory_bytes is None else size(part.memory_bytes),
            part.endpoint,
        ]
        for part in parts
    ]
    columns = _PARTS if verbose else _PARTS[:-1]
    output.table(columns, [row[: len(columns)] for row in rows], "")


def _show_cluster(cluster: scheduler_pb2.ClusterReply) -> None:
    output.heading("Nodes")
    output.table(nodes.COLUMNS, nodes.rows(cluster.nodes), "No node has joined yet.")
    if cluster.queue:
        output.heading("Queue")
        output.table(_QUEUE, [_queue_cells(one) for one in cluster.queue], "")


def _queue_cells(one: scheduler_pb2.Work) -> list[str]:
    need = one.resources
    return [
        one.session,
        when(one.queued),
        str(need.gpus),
        str(need.cpus),
        size(need.memory_bytes) if need.memory_bytes else "",
    ]


def _part(part: "Part") -> Shape:
    return {
        "name": part.name,
        "state": part.state,
        "pid": part.pid,
        "uptime_seconds": part.uptime_seconds,
        "memory_bytes": part.memory_bytes,
        "endpoint": part.endpoint,
    }


def _node(use: scheduler_pb2.NodeUse) -> Shape:
    return {**nodes.shape(use), "running": [_work(one) for one in use.running]}


def _work(one: scheduler_pb2.Work) -> Shape:
    return {
        "session": one.session,
        "owner": one.owner,
        "gpus": one.resources.gpus,
        "cpus": one.resources.cpus,
        "memory_bytes": one.resources.memory_bytes,
        "queued": iso(one.queued),
        "devices": list(one.devices),
        "stopping": one.stopping,
    }
