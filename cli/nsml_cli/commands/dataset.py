"""`nsml dataset`: the data that sessions read."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nsml_cli import complete, leaderboard, options, output, sessions, transfer
from nsml_cli.client import open_client
from nsml_cli.output import Column
from nsml_cli.sessions import Shape
from nsml_cli.text import counted, iso, size, when
from nsml_client import names
from nsml_core.errors import NotFound
from nsml_protos import dataset_pb2, session_pb2

if TYPE_CHECKING:  # as the client knows it
    from nsml_client.client import Client
    from nsml_client.competition import Competition
    from nsml_client.datasets import Pushed
    from nsml_protos.board_pb2 import Standing

_LIST = (
    Column("Name"),
    Column("Revision", right=True),
    Column("Files", right=True),
    Column("Size", right=True),
    Column("Updated"),
    Column("Owner"),
    Column("Access"),
    Column("Description", may_cut=True),
)
_REVISIONS = (
    Column("Revision"),
    Column("Files", right=True),
    Column("Size", right=True),
    Column("Pushed"),
    Column("By"),
    Column("Message", may_cut=True),
)
_NONE = "There are no datasets yet: push one with `nsml dataset push NAME PATH`."
_USERS = (
    Column("Session"),
    Column("Created"),
    Column("Status", is_status=True),
    Column("Revision"),
)


@click.group(no_args_is_help=True)
def dataset() -> None:
    """Datasets: the data that sessions read."""


@dataset.command()
@options.team
@options.dataset
@click.argument("path", metavar="PATH", shell_complete=complete.folders)
@click.option("--private/--public", default=None, help="Who may see it; public when it is new.")
@click.option("--description", "-d", metavar="TEXT", help="What it is.")
@click.option("--message", "-m", metavar="TEXT", default="", help="What is new in this revision.")
@click.option(
    *("--leaderboard", "-l", "leaderboard"),
    is_flag=True,
    help="It carries a competition: PATH/test is kept apart, and what judges.",
)
@click.option(
    *("--evaluation", "-e", "evaluation"),
    metavar="FILE",
    default="",
    shell_complete=complete.files,
    help="What judges: evaluation.py, or a folder that holds it.",
)
@click.option(
    "--labels",
    metavar="PATTERN",
    multiple=True,
    help="What of PATH/test are labels; test_label*.",
)
@options.verbose
@click.option("--force", "-f", is_flag=True, hidden=True)
def push(  # noqa: PLR0913 - the options are what scripts use
    *,
    name: str,
    path: str,
    private: bool | None,
    description: str | None,
    message: str,
    leaderboard: bool,
    evaluation: str,
    labels: tuple[str, ...],
    verbose: bool,
    force: bool,  # noqa: ARG001 - a push never asks, so there is nothing to force
) -> None:
    """Push a folder as a dataset's next revision.

    Only what is new in it is sent. A push that breaks is taken up again by the next.
    """
    with transfer.sending(f"Pushing {name}") as bar:
        pushed = open_client().datasets.push(
            name,
            path,
            message=message,
            private=private,
            description=description,
            competition=_competition(evaluation, labels, wanted=leaderboard),
            progress=bar,
        )
    tell_pushed(pushed)
    if leaderboard:
        output.note(f"`nsml board create {name} -f board.yml` opens a board on it.")
    if verbose:
        output.note(f"Tree {pushed.revision.tree}")


def _competition(evaluation: str, labels: tuple[str, ...], *, wanted: bool) -> "Competition | None":
    if not wanted:
        if evaluation or labels:
            raise click.UsageError("-e and --labels go with -l, which makes it a competition.")
        return None
    from nsml_client.competition import LABELS, Competition

    found = Path(evaluation) if evaluation else None
    return Competition(found, labels or LABELS)


def tell_pushed(pushed: "Pushed") -> None:
    what = f"{counted(pushed.revision.files, 'file')}, {size(pushed.revision.bytes)}"
    if pushed.unchanged:
        output.show(f"Dataset {pushed} is unchanged: {what}")
    else:
        output.show(
            f"Dataset {pushed} is pushed: {what}; the store grew by {size(pushed.stored_bytes)}"
        )


@dataset.command("ls")
@options.at
@options.as_json
def list_all(*, at: str, as_json: bool) -> None:
    """List the datasets that you may use."""
    _list("", at=at, as_json=as_json)


@dataset.command()
@click.argument("pattern", metavar="PATTERN")
@options.as_json
def search(*, pattern: str, as_json: bool) -> None:
    """List the datasets whose names match.

    PATTERN has * and ?, such as 'kin_*'; a word without them may stand anywhere in the name.
    """
    _list(pattern, as_json=as_json)


@dataset.command()
@options.dataset
@options.as_json
def board(*, name: str, as_json: bool) -> None:
    """Show a dataset, its revisions, its sessions, and its leaderboard if it has one."""
    client = open_client()
    one = client.datasets.get(name)
    listing = session_pb2.ListSessionsRequest(all=True, dataset=one.name)
    users = sessions.rows(client, listing)
    ranking = _ranking(client, one)
    if as_json:
        standings = [leaderboard.standing(each) for each in ranking] if ranking else None
        found = [sessions.session(row) for row in users]
        output.as_json({**_shape(one), "sessions": found, "leaderboard": standings})
        return
    output.facts([
        ("Dataset", one.name),
        ("Owner", one.owner),
        ("Access", _access(one)),
        ("Description", one.description),
        ("Created", when(one.created)),
    ])  # fmt: skip
    output.heading("Revisions")
    output.table(_REVISIONS, [_revision_cells(one, each) for each in reversed(one.revisions)], "")
    output.heading("Sessions")
    output.table(_USERS, [_user_cells(one.name, row) for row in users], "No session has used it.")
    if ranking is not None:
        output.heading("Leaderboard")
        leaderboard.table(ranking)


def _ranking(client: "Client", one: dataset_pb2.Dataset) -> "list[Standing] | None":
    """Return the ranking of the dataset's board; None if it has none."""
    for board in client.boards.ls():
        if board.terms.dataset == one.name:
            return list(client.boards.ranking(board.name).standings)
    return None


@dataset.command()
@click.argument("name", metavar="NAME[@REV]", shell_complete=complete.dataset_names)
@options.path
@options.force
def pull(*, name: str, path: str, force: bool) -> None:
    """Bring a dataset here, into PATH, or ./NAME.

    Without @REV it is the newest revision. Each file is verified on the way.
    """
    with transfer.bar(f"Pulling {name}") as bar:
        pulled = open_client().datasets.pull(name, path, force=force, progress=bar)
    output.show(f"Dataset {pulled} is in {pulled.path}")


@dataset.command()
@options.dataset
def rm(*, name: str) -> None:
    """Remove a dataset and all its revisions.

    Sessions that read it keep their record of it.
    """
    open_client().datasets.rm(name)
    output.show(f"Dataset {name} is removed")


def _list(pattern: str, *, at: str = "", as_json: bool) -> None:
    is_part = bool(pattern) and not names.is_pattern(pattern)
    found = open_client().datasets.ls(f"*{pattern}*" if is_part else pattern, at=at)
    if as_json:
        output.as_json([_shape(one) for one in found])
        return
    if pattern and not found:
        raise NotFound(f"No dataset matches {pattern!r}: `nsml dataset ls` lists them.")
    empty = "There were no datasets that you could use." if at else _NONE
    output.table(_LIST, [_cells(one) for one in found], empty)


def _cells(one: dataset_pb2.Dataset) -> list[str]:
    newest = one.revisions[-1] if one.revisions else dataset_pb2.Revision()
    return [
        one.name,
        str(newest.number),
        f"{newest.files:,}",
        size(newest.bytes),
        when(one.updated),
        one.owner,
        _access(one),
        one.description,
    ]


def _revision_cells(one: dataset_pb2.Dataset, each: dataset_pb2.Revision) -> list[str]:
    return [
        f"{one.name}@{each.number}",
        f"{each.files:,}",
        size(each.bytes),
        when(each.pushed),
        each.pushed_by,
        each.message,
    ]


def _user_cells(name: str, row: session_pb2.SessionRow) -> list[str]:
    one = row.session
    used = [str(mount.revision) for mount in one.spec.datasets if mount.dataset == name]
    return [one.name, when(one.created), sessions.status(one), ", ".join(used)]


def _access(one: dataset_pb2.Dataset) -> str:
    return "private" if one.private else "public"


def _shape(one: dataset_pb2.Dataset) -> Shape:
    newest = one.revisions[-1] if one.revisions else dataset_pb2.Revision()
    return {
        "name": one.name,
        "owner": one.owner,
        "private": one.private,
        "description": one.description,
        "created": iso(one.created),
        "updated": iso(one.updated),
        "revision": newest.number,
        "files": newest.files,
        "bytes": newest.bytes,
        "revisions": [_revision_shape(pushed) for pushed in one.revisions],
    }


def _revision_shape(pushed: dataset_pb2.Revision) -> Shape:
    return {
        "number": pushed.number,
        "files": pushed.files,
        "bytes": pushed.bytes,
        "message": pushed.message,
        "pushed_by": pushed.pushed_by,
        "pushed": iso(pushed.pushed),
        "tree": pushed.tree,
    }
