"""One look at the cluster: nodes, devices and live sessions, and what these use."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, repeat
from typing import Any

from nsml_cli import sessions
from nsml_cli.output import Column
from nsml_cli.sessions import Shape
from nsml_cli.text import clean, duration, iso, moment, size
from nsml_client.client import Client
from nsml_core import times
from nsml_protos import scheduler_pb2, session_pb2

SESSIONS = (
    Column("Session"),
    Column("Status", may_cut=True, is_status=True),
    Column("CPU", right=True),
    Column("Memory", right=True),
    Column("GPU", may_cut=True),
    Column("GPU memory", right=True),
    Column("Runtime", right=True),
    Column("Node"),
)
NODES = (
    Column("Node"),
    Column("CPUs given", right=True),
    Column("in use", right=True),
    Column("Memory given", right=True),
    Column("in use", right=True),
    Column("GPUs given", right=True),
    Column("in use", right=True),
)
DEVICES = (
    Column("Node"),
    Column("GPU"),
    Column("Model", may_cut=True),
    Column("In use", right=True),
    Column("Memory", right=True),
    Column("Session"),
)
_NAMES_MAX = 1_000
Work = scheduler_pb2.Work
Usage = session_pb2.Usage


@dataclass(frozen=True)
class Row:
    """A live session: what the scheduler gave it, and what it uses, if the asker may know."""

    work: Work
    session: session_pb2.Session
    usage: Usage | None

    @property
    def name(self) -> str:
        return self.work.session

    @property
    def status(self) -> str:
        if self.session.name:
            return sessions.status_line(self.session)
        return "Stopping" if self.work.stopping else "Running" if self.work.node else "Queued"

    def seconds(self, now: datetime) -> float:
        """Return for how long it runs, or waits."""
        attempts = self.session.attempts
        began = moment(attempts[-1].started) if attempts else None
        since = began or moment(self.work.queued)
        return (now - since).total_seconds() if since else 0.0

    @property
    def busy(self) -> list[tuple[str, float, int]]:
        """Return its GPUs, each with how busy it is (NaN: it does not say) and memory in use."""
        usage = self.usage or Usage()
        said = zip(usage.gpu_utilization, usage.gpu_memory_bytes, strict=False)
        used = chain(said, repeat((math.nan, 0)))
        return [(device, *use) for device, use in zip(self.work.devices, used, strict=False)]


@dataclass(frozen=True)
class Glance:
    """What there was to see at a time."""

    time: datetime
    nodes: Sequence[scheduler_pb2.NodeUse]
    rows: Sequence[Row]

    def on(self, node: str) -> list[Row]:
        return [row for row in self.rows if row.work.node == node]


def look(client: Client) -> Glance:
    """Ask the services."""
    cluster = client.call(
        "Scheduler/Cluster", scheduler_pb2.ClusterRequest(), scheduler_pb2.ClusterReply
    )
    listed = sessions.rows(client, session_pb2.ListSessionsRequest())
    known = {row.session.name: row.session for row in listed}
    works = [*(work for node in cluster.nodes for work in node.running), *cluster.queue]
    running = [work.session for work in works if work.node][:_NAMES_MAX]
    reply = client.call(
        "Sessions/Usage", session_pb2.UsageRequest(names=running), session_pb2.UsageReply
    )
    used = {(one.name, one.rank): one.usage for one in reply.sessions}
    rows = [
        Row(
            work,
            known.get(work.session, session_pb2.Session()),
            used.get((work.session, _rank(work))),
        )
        for work in works
    ]
    return Glance(datetime.now(UTC), cluster.nodes, rows)


def _rank(work: Work) -> int:
    """Return which member of a gang has the room on this node."""
    return next((one.rank for one in work.members if one.node == work.node), 0)


def ordered(seen: Glance, by: int | None, *, is_turned: bool) -> list[Row]:
    """Return the sessions as the scheduler tells them, or by a column: the largest number first."""
    rows = list(seen.rows)
    if by is not None:
        is_number = SESSIONS[by].title not in {"Session", "Status", "Node"}
        rows.sort(key=lambda row: _order(row, seen.time)[by], reverse=is_number)
    return rows[::-1] if is_turned else rows


def _order(row: Row, now: datetime) -> tuple[Any, ...]:
    usage = row.usage or Usage()
    owner, _, number = row.name.rpartition("/")
    shares = [share for _, share, _ in row.busy if not math.isnan(share)]
    return (
        (owner, int(number) if number.isdecimal() else 0),
        row.status,
        usage.cpu_cores,
        usage.memory_bytes,
        sum(shares),
        sum(usage.gpu_memory_bytes),
        row.seconds(now),
        row.work.node,
    )


def session_cells(row: Row, now: datetime) -> list[str]:
    usage, need = row.usage, row.work.resources
    given = size(need.memory_bytes) if need.memory_bytes else ""
    cells = [
        row.name,
        row.status,
        _of(f"{usage.cpu_cores:.2f}" if usage else "", str(need.cpus)),
        _of(size(usage.memory_bytes) if usage else "", given),
        " ".join(f"{device}:{_percent(busy)}" for device, busy, _ in row.busy),
        size(sum(used for _, _, used in row.busy)) if usage and row.busy else "",
        duration(row.seconds(now)),
        row.work.node,
    ]
    return [clean(cell) for cell in cells]


def node_cells(glance: Glance, use: scheduler_pb2.NodeUse) -> list[str]:
    rows, node = glance.on(use.node.name), use.node
    needs = [row.work.resources for row in rows]
    used = [row.usage for row in rows if row.usage]
    busy = [share for row in rows for _, share, _ in row.busy if not math.isnan(share)]
    return [
        clean(node.name),
        f"{sum(need.cpus for need in needs)} of {node.cpus}",
        f"{sum(one.cpu_cores for one in used):.2f}",
        f"{size(sum(need.memory_bytes for need in needs))} of {size(node.memory_bytes)}",
        size(sum(one.memory_bytes for one in used)),
        f"{sum(len(row.work.devices) for row in rows)} of {len(node.devices)}",
        _percent(sum(busy) / len(busy)) if busy else "",
    ]


@dataclass(frozen=True)
class Device:
    """A GPU, and who holds it."""

    node: str
    device: scheduler_pb2.Device
    row: Row | None
    share: float
    """How busy it is; NaN: it does not say."""

    used: int
    """Bytes of its memory."""

    @property
    def is_known(self) -> bool:
        """Whether the asker may know what it is used for."""
        return self.row is not None and self.row.usage is not None

    def cells(self) -> list[str]:
        memory = _of(size(self.used) if self.is_known else "", _given(self.device.memory_bytes))
        model = " ".join(filter(None, (self.device.model, self.device.slice)))
        name = self.row.name if self.row else ""
        return [self.node, self.device.id, model, _percent(self.share), memory, name]

    def shape(self) -> Shape:
        return {
            "node": self.node,
            "id": self.device.id,
            "model": self.device.model,
            "slice": self.device.slice,
            "memory_bytes": self.device.memory_bytes,
            "utilization": self.share,
            "memory_bytes_used": self.used if self.is_known else None,
            "session": self.row.name if self.row else None,
        }


def devices(glance: Glance) -> Iterator[Device]:
    for use in glance.nodes:
        held = _held(glance.on(use.node.name))
        for device in use.node.devices:
            yield Device(use.node.name, device, *held.get(device.id, (None, math.nan, 0)))


def device_cells(glance: Glance) -> Iterator[list[str]]:
    return (device.cells() for device in devices(glance))


def shape(glance: Glance) -> Shape:
    """Return a glance as `-j` prints it."""
    return {
        "time": times.iso(glance.time),
        "nodes": [_node(use) for use in glance.nodes],
        "sessions": [_session(row) for row in glance.rows],
    }


def _held(rows: Sequence[Row]) -> Mapping[str, tuple[Row, float, int]]:
    return {device: (row, share, used) for row in rows for device, share, used in row.busy}


def _of(used: str, given: str) -> str:
    return f"{used} of {given}" if used and given else used or (f"of {given}" if given else "")


def _given(number: int) -> str:
    """Return the memory of a GPU; of one that was only declared nobody knows it."""
    return size(number) if number else ""


def _percent(share: float) -> str:
    return "" if math.isnan(share) else f"{share:.0%}"


def _node(use: scheduler_pb2.NodeUse) -> Shape:
    return {
        "name": use.node.name,
        "cpus": use.node.cpus,
        "memory_bytes": use.node.memory_bytes,
        "devices": [
            {"id": device.id, "model": device.model, "memory_bytes": device.memory_bytes}
            for device in use.node.devices
        ],
    }


def _session(row: Row) -> Shape:
    need = row.work.resources
    return {
        "name": row.name,
        "owner": row.work.owner,
        "status": row.status,
        "node": row.work.node,
        "devices": list(row.work.devices),
        "cpus": need.cpus,
        "memory_bytes": need.memory_bytes,
        "queued": iso(row.work.queued),
        "usage": _usage(row.usage) if row.usage else None,
    }


def _usage(usage: Usage) -> Shape:
    return {
        "time": times.iso(datetime.fromtimestamp(usage.time_us / 1e6, UTC)),
        "cpu_cores": usage.cpu_cores,
        "memory_bytes": usage.memory_bytes,
        "gpu_utilization": list(usage.gpu_utilization),
        "gpu_memory_bytes": list(usage.gpu_memory_bytes),
    }
