"""`nsml simulate`: a trace, or the platform's own past, under other policies: what if."""

import csv
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from nsml_cli import options, output, sessions
from nsml_cli.client import open_client
from nsml_cli.output import Column
from nsml_cli.replays import replay
from nsml_cli.text import counted, duration
from nsml_client import names
from nsml_client.client import Client
from nsml_core.errors import Invalid, NotFound
from nsml_protos import scheduler_pb2, session_pb2

_QUEUE = (
    Column("POLICY"),
    *(Column(title, right=True) for title in ("MEAN WAIT", "P99 WAIT", "SLOWDOWN", "FAIRNESS")),
    *(Column(title, right=True) for title in ("WORST TENANT", "STOPS A JOB", "ALLOCATED")),
)
_FILL = (
    Column("POLICY"),
    *(Column(title, right=True) for title in ("ALLOCATED", "ASKED", "NO ROOM")),
)
_TRACE = ("job", "submit_s", "duration_s", "num_gpus", "tenant", "cpus", "memory_bytes")
_NODES = ("node", "cpus", "memory_bytes", "gpus", "model")


@click.command()
@click.argument("trace", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--policy", "-p", metavar="P[,P...]", default="", help="fifo, easy, las, learned, default."
)
@click.option("--nodes", metavar="FILE|NxG", default="", help="80x8: 80 nodes of 8 GPUs.")
@click.option("--weight", "weights", metavar="TENANT=W", multiple=True, help="A tenant's share: 1.")
@click.option("--log", type=click.Path(dir_okay=False, path_type=Path), help="Write each run here.")
@click.option("--seed", type=options.Count(0), default=42, help="Of the order of needs: 42.")
@click.option("--history", "own", is_flag=True, help="Replay this platform's own sessions.")
@click.option("--since", metavar="TIME", default="", help="With --history: those asked for since.")
@options.as_json
def simulate(  # noqa: PLR0913 - as many as people may say
    *,
    trace: Path | None,
    policy: str,
    nodes: str,
    weights: tuple[str, ...],
    log: Path | None,
    seed: int,
    own: bool,
    since: str,
    as_json: bool,
) -> None:
    """Replay a trace with the planner that plans here, and compare policies.

    A trace is CSV, gzipped or not; docs/scheduling.md tells its columns and what the figures mean.
    """
    if own == (trace is not None) or (since and not own):
        raise Invalid("Name a trace, or say --history (--since TIME) for this platform's own past.")
    with _recorded(since) if trace is None else _as_it_is(trace, nodes) as (file, fleet):
        words = [str(file), f"--policy={policy}", f"--nodes={nodes or fleet}", f"--seed={seed}"]
        words += [f"--weight={weight}" for weight in weights]
        found = replay(words + ([f"--log={log}"] if log else []))
    if as_json:
        output.as_json(found)
    else:
        _show(found)


def _show(found: dict[str, Any]) -> None:
    said = f"{counted(found['nodes'], 'node')}, {counted(found['gpus'], 'GPU')}"
    if found["kind"] == "fill":
        output.note(f"{said}, filled until all are asked for")
        rows = [[name, *_fill_cells(figures)] for name, figures in found["policies"].items()]
        output.table(_FILL, rows, "")
        return
    output.note(f"{said}, asked for {100 * found['load']:.0f} % of the time")
    rows = [[name, *_queue_cells(figures)] for name, figures in found["policies"].items()]
    output.table(_QUEUE, rows, "")


def _fill_cells(figures: dict[str, Any]) -> list[str]:
    return [f"{100 * figures['allocated']:.2f} %", str(figures["asked"]), str(figures["refused"])]


def _queue_cells(figures: dict[str, Any]) -> list[str]:
    return [
        duration(figures["wait_mean"]),
        duration(figures["wait_p99"]),
        f"{figures['slowdown']:.2f}",
        f"{figures['jain']:.4f}",
        f"{figures['worst']:.3f}",
        f"{figures['stops_per_job']:.3f}",
        f"{100 * figures['allocated']:.1f} %",
    ]


@contextmanager
def _as_it_is(trace: Path, nodes: str) -> Iterator[tuple[Path, str]]:
    yield trace, nodes


@contextmanager
def _recorded(since: str) -> Iterator[tuple[Path, str]]:
    """Write the sessions of this platform as a trace, and its nodes beside it."""
    client = open_client()
    start = names.since(since, names.now()) / 1e6 if since else 0.0
    request = session_pb2.ListSessionsRequest(all=True)
    rows = [_row(row.session) for row in sessions.rows(client, request)]
    rows = [row for row in rows if float(row["submit_s"]) >= start and float(row["duration_s"])]
    if not rows:
        raise NotFound("No session that ran is that new: leave out --since, or name a trace.")
    with tempfile.TemporaryDirectory(prefix="nsml-simulate-") as folder:
        trace, fleet = Path(folder, "history.csv"), Path(folder, "nodes.csv")
        _write(trace, _TRACE, rows)
        _write(fleet, _NODES, _nodes(client))
        yield trace, str(fleet)


def _row(session: session_pb2.Session) -> dict[str, str]:
    needs = session.spec.resources
    ran = sum(map(_seconds, session.attempts))
    return {
        "job": session.name,
        "submit_s": f"{session.created.ToNanoseconds() / 1e9:.3f}",
        "duration_s": f"{ran:.3f}",
        "num_gpus": str(needs.gpus),
        "tenant": session.owner,
        "cpus": str(needs.cpus),
        "memory_bytes": str(needs.memory_bytes),
    }


def _seconds(attempt: session_pb2.Attempt) -> float:
    """Return how long it held its room; one that runs has so far."""
    if not attempt.HasField("placed"):
        return 0.0
    until = attempt.ended if attempt.HasField("ended") else None
    end = until.ToNanoseconds() / 1e9 if until else datetime.now().astimezone().timestamp()
    return max(end - attempt.placed.ToNanoseconds() / 1e9, 0.0)


def _nodes(client: Client) -> list[dict[str, str]]:
    request = scheduler_pb2.ClusterRequest()
    cluster = client.call("Scheduler/Cluster", request, scheduler_pb2.ClusterReply)
    return [
        {
            "node": use.node.name,
            "cpus": str(use.node.cpus),
            "memory_bytes": str(use.node.memory_bytes),
            "gpus": str(len(use.node.devices)),
            "model": use.node.devices[0].model if use.node.devices else "",
        }
        for use in cluster.nodes
    ]


def _write(path: Path, columns: tuple[str, ...], rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
