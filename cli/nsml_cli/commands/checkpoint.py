"""`nsml checkpoint`: the checkpoints of all sessions, each under an id of its own."""

from pathlib import Path
from typing import NamedTuple

import click

from nsml_cli import complete, filetree, options, output, sessions, transfer
from nsml_cli.client import open_client
from nsml_cli.output import Column
from nsml_cli.sessions import Shape
from nsml_cli.text import iso, size, summary, when
from nsml_client import models, names
from nsml_client.client import Client
from nsml_core.errors import Invalid, NotFound
from nsml_protos import session_pb2

_COLUMNS = (
    Column("ID"),
    Column("Session"),
    Column("Step", right=True),
    Column("Created"),
    Column("Size", right=True),
    Column("Tags", may_cut=True),
)
_id = click.argument("identity", metavar="ID", shell_complete=complete.checkpoint_ids)


class Kept(NamedTuple):
    """A checkpoint, and the session that saved it."""

    session: session_pb2.Session
    point: session_pb2.Checkpoint

    @property
    def id(self) -> str:
        return f"{self.session.name}:{self.point.name}"

    @property
    def step(self) -> str:
        return f"{self.point.step:g}" if self.point.HasField("step") else ""


@click.group(no_args_is_help=True)
def checkpoint() -> None:
    """Checkpoints of all sessions; an ID is SESSION:CHECKPOINT."""


@checkpoint.command("list")
@options.search
@options.tag
@click.option(
    "--limit", "-l", "-n", metavar="N", type=options.Count(0), default=0, help="Only the newest N."
)
@options.as_json
def list_all(*, search: str, tag: str, limit: int, as_json: bool) -> None:
    """List checkpoints, the newest first."""
    client = open_client()
    pattern = names.sessions(search, client.owner) if search else ""
    request = session_pb2.ListSessionsRequest(all=True, pattern=pattern, tag=tag)
    found = [
        Kept(row.session, point)
        for row in sessions.rows(client, request)
        for point in row.session.checkpoints
    ]
    found.sort(key=lambda kept: models.saved(kept.point), reverse=True)
    found = found[: limit or None]
    if as_json:
        output.as_json([_shape(kept) for kept in found])
        return
    rows = [
        [
            kept.id,
            kept.session.name,
            kept.step,
            when(kept.point.saved),
            size(kept.point.bytes),
            ", ".join(kept.session.spec.tags),
        ]
        for kept in found
    ]
    output.table(_COLUMNS, rows, "There are no checkpoints.")


@checkpoint.command()
@_id
@options.as_json
def view(*, identity: str, as_json: bool) -> None:
    """Show a checkpoint and its files."""
    client = open_client()
    kept = _find(client, identity)
    files = filetree.files(client, kept.point.tree)
    if as_json:
        output.as_json({**_shape(kept), "content": filetree.shape(files)})
        return
    filetree.show(
        "Overview",
        [
            ("ID", kept.id),
            ("Session", kept.session.name),
            ("Step", kept.step or "-"),
            ("Created", when(kept.point.saved)),
            ("Size", size(kept.point.bytes)),
            ("Summary", summary(kept.point.summary) or "-"),
            ("Tags", ", ".join(kept.session.spec.tags) or "-"),
        ],
    )
    filetree.show("Files", filetree.draw(files))


@checkpoint.command()
@_id
@click.option(
    "--save-directory",
    "-d",
    "folder",
    metavar="DIR",
    default="",
    shell_complete=complete.folders,
    help="Put its files here.",
)
@options.force
def download(*, identity: str, folder: str, force: bool) -> None:
    """Bring a checkpoint here: its files into DIR, or USER_DATASET_N/CHECKPOINT."""
    client = open_client()
    kept = _find(client, identity)
    target = Path(folder or f"{kept.session.name.replace('/', '_')}/{kept.point.name}")
    transfer.pull(client, kept.point.tree, target, f"Downloading {kept.point.name}", force=force)
    output.show(f"Checkpoint {kept.id} is in {target}")


def _find(client: Client, identity: str) -> Kept:
    session, colon, name = identity.partition(":")
    if not colon:
        raise Invalid(f"{identity!r} is no checkpoint: it looks like mnist/3:100.")
    one = sessions.get(client, session)
    for point in one.checkpoints:
        if point.name == name:
            return Kept(one, point)
    raise NotFound(
        f"Session {one.name} has no checkpoint {name!r}: "
        f"`nsml checkpoint list -s {one.name}` lists them."
    )


def _shape(kept: Kept) -> Shape:
    return {
        "id": kept.id,
        "session": kept.session.name,
        "name": kept.point.name,
        "step": kept.point.step if kept.point.HasField("step") else None,
        "created": iso(kept.point.saved),
        "files": kept.point.files,
        "bytes": kept.point.bytes,
        "tags": list(kept.session.spec.tags),
        "tree": kept.point.tree,
    }
