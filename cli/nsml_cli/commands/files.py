"""`nsml pull | download`: the code that a session ran, and the files that it wrote."""

import click

from nsml_cli import options, output, transfer
from nsml_cli.client import open_client


@click.command()
@options.session
@options.path
@options.force
@options.verbose
def pull(*, name: str, path: str, force: bool, verbose: bool) -> None:
    """Bring the code of a session here, as it was run, into PATH/USER_DATASET_N/code."""
    one = open_client().sessions.get(name)
    with transfer.bar("Pulling code") as bar:
        target = one.pull_code(path, force=force, progress=bar)
    output.show(f"Code of session {one.name} is in {target}")
    if verbose:
        output.note(f"Tree {one.info.spec.code_tree}")


@click.command()
@options.session
@options.path
@click.option("--single", "-s", metavar="FILE", default="", help="Only this file or folder.")
@options.force
def download(*, name: str, path: str, single: str, force: bool) -> None:
    """Bring here what a session wrote to its output folder.

    It comes into PATH/USER_DATASET_N/output; with -s, what is named comes into PATH itself.
    """
    one = open_client().sessions.get(name)
    with transfer.bar("" if single else "Downloading") as bar:
        target = one.download(path, single=single, force=force, progress=bar)
    output.show(f"Output of session {one.name} is in {target}")
