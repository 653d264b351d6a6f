"""`nsml model`: the checkpoints that sessions saved."""

import click

from nsml_cli import complete, options, output, sessions, transfer
from nsml_cli.client import open_client
from nsml_cli.output import Column
from nsml_cli.text import moment, size, summary, when
from nsml_client import models
from nsml_protos import session_pb2

_COLUMNS = (
    Column("Checkpoint"),
    Column("Last Modified"),
    Column("Elapsed", right=True),
    Column("Summary", may_cut=True),
    Column("Size", right=True),
)


@click.group(no_args_is_help=True)
def model() -> None:
    """Models: the checkpoints that a session saved."""


@model.command("ls")
@options.session
@options.as_json
def list_all(*, name: str, as_json: bool) -> None:
    """List a session's models, the newest last."""
    one = sessions.get(open_client(), name)
    points = sorted(one.checkpoints, key=models.saved)
    if as_json:
        output.as_json([sessions.checkpoint(point) for point in points])
        return
    rows = [
        [
            point.name,
            when(point.saved),
            _elapsed(one, point),
            summary(point.summary),
            size(point.bytes),
        ]
        for point in points
    ]
    output.table(_COLUMNS, rows, f"Session {one.name} has saved no model yet.")


@model.command()
@options.session
@click.argument(
    "checkpoint", metavar="[CHECKPOINT]", default="", shell_complete=complete.checkpoint_names
)
@options.path
@options.force
def pull(*, name: str, checkpoint: str, path: str, force: bool) -> None:
    """Bring a model here: PATH/USER_DATASET_N/CHECKPOINT.

    Without CHECKPOINT it is the one that was saved last.
    """
    one = open_client().sessions.get(name)
    with transfer.bar("Pulling the model") as bar:
        target = one.pull_model(checkpoint, path, force=force, progress=bar)
    output.show(f"Model {target.name} of session {one.name} is in {target}")


@model.command()
@options.session
@click.argument("checkpoint", metavar="CHECKPOINT", shell_complete=complete.checkpoint_names)
@click.option("--scored", is_flag=True, help="Also if a best score on a board stands on it.")
def rm(*, name: str, checkpoint: str, scored: bool) -> None:
    """Remove a model of a session."""
    one = open_client().sessions.get(name)
    one.remove_model(checkpoint, scored=scored)
    output.show(f"Model {checkpoint} of session {one.name} is removed")


def _elapsed(one: session_pb2.Session, point: session_pb2.Checkpoint) -> str:
    """Return the seconds from the start of the attempt to the save."""
    saved = moment(point.saved)
    for tried in one.attempts:
        started = moment(tried.started)
        if tried.number == point.attempt and started and saved:
            return f"{(saved - started).total_seconds():.3f}"
    return ""
