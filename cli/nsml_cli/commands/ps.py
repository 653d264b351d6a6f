"""`nsml ps`: which sessions there are, and how they are doing."""

import shlex
from datetime import datetime

import click

from nsml_cli import complete, options, output, sessions
from nsml_cli.client import open_client
from nsml_cli.output import Column
from nsml_cli.text import elapsed, size, summary, when
from nsml_client import names
from nsml_protos import session_pb2
from nsml_protos.gangs import members

_COLUMNS = (
    Column("Name"),
    Column("Created"),
    Column("Args", may_cut=True),
    Column("Status", may_cut=True, is_status=True),
    Column("Summary", may_cut=True),
    Column("Description", may_cut=True),
    Column("#Models", right=True),
    Column("Size", right=True),
    Column("Type"),
)
_MORE = (
    Column("Tags", may_cut=True),
    Column("Datasets", may_cut=True),
    Column("GPUs", right=True),
    Column("CPUs", right=True),
    Column("Memory", right=True),
    Column("Runtime", right=True),
)
_NODES = Column("Nodes", may_cut=True)


@click.command()
@click.option("--all", "-a", "everything", is_flag=True, help="Ended sessions too.")
@click.option(
    "--data",
    "-d",
    metavar="DATASET",
    default="",
    shell_complete=complete.dataset_names,
    help="Only those on this dataset.",
)
@options.last
@options.search
@options.tag
@click.option("--quiet", "-q", is_flag=True, help="Only the names.")
@click.option("--verbose", "-v", is_flag=True, help="More columns.")
@options.at
@options.team
@options.as_json
def ps(  # noqa: PLR0913 - the options are what scripts use
    *,
    everything: bool,
    data: str,
    last: int,
    search: str,
    tag: str,
    quiet: bool,
    verbose: bool,
    at: str,
    as_json: bool,
) -> None:
    """List your running sessions, the newest first; a queued one says what it waits for."""
    then = names.time(at, names.now()) if at else names.NOW
    client = open_client()
    request = session_pb2.ListSessionsRequest(
        all=everything,
        dataset=data,
        limit=last,
        at_us=then.time_us,
        pattern=names.sessions(search, client.owner) if search else "",
        tag=tag,
    )
    found = sessions.rows(client, request)
    if as_json:
        output.as_json([sessions.session(row) for row in found])
    elif quiet:
        for row in found:
            output.show(row.session.name)
    else:
        columns = (*_COLUMNS, *_MORE) if verbose else _COLUMNS
        cells = [_cells(row, then.time)[: len(columns)] for row in found]
        nodes = [" ".join(_nodes(row.session)) for row in found]
        if verbose or any(len(_nodes(row.session)) > 1 for row in found):
            columns = (*columns, _NODES)
            cells = [[*line, names] for line, names in zip(cells, nodes, strict=True)]
        output.table(
            columns, cells, _nothing(everything=everything, narrowed=bool(data or search or tag))
        )


def _nodes(one: session_pb2.Session) -> list[str]:
    """Name the nodes of its last attempt, by rank; none of one that was never placed."""
    return [member.node for tried in one.attempts[-1:] for member in members(tried)]


def _cells(row: session_pb2.SessionRow, then: datetime | None) -> list[str]:
    one = row.session
    need = one.spec.resources
    tried = one.attempts[-1] if one.attempts else session_pb2.Attempt()
    return [
        one.name,
        when(one.created),
        _args(one.spec),
        sessions.status_line(one),
        summary(row.summary),
        one.memo,
        str(len(one.checkpoints)),
        size(one.spec.code_bytes + row.checkpoint_bytes),
        sessions.kind(one),
        ", ".join(one.spec.tags),
        " ".join(f"{mount.dataset}@{mount.revision}" for mount in one.spec.datasets),
        str(need.gpus),
        str(need.cpus),
        size(need.memory_bytes) if need.memory_bytes else "",
        elapsed(tried.started, tried.ended, then),
    ]


def _args(spec: session_pb2.Spec) -> str:
    """Of a job its command, in one line."""
    return " ".join(spec.job.command.split()) or shlex.join(spec.args)


def _nothing(*, everything: bool, narrowed: bool) -> str:
    if narrowed:
        return "No session matches; `nsml ps -a` lists all."
    if everything:
        return "There are no sessions yet: start one with `nsml run`."
    return "Nothing is running: start a session with `nsml run`; `nsml ps -a` lists ended ones too."
