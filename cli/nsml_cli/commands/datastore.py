"""`nsml datastore`: datasets by the commands that PeriFlow had for them."""

import os.path
from collections.abc import Callable
from pathlib import Path

import click

from nsml_cli import complete, filetree, options, output, transfer
from nsml_cli.client import open_client
from nsml_cli.commands import dataset
from nsml_cli.text import counted, size, when
from nsml_client import names
from nsml_core.errors import NotFound
from nsml_protos import dataset_pb2


@click.group(no_args_is_help=True)
def datastore() -> None:
    """Datasets, by the commands that PeriFlow had for them."""


datastore.add_command(dataset.list_all, "list")
datastore.add_command(dataset.rm, "delete")


@datastore.command()
@options.dataset
@options.as_json
def view(*, name: str, as_json: bool) -> None:
    """Show a dataset and its files; NAME@REV those of an earlier revision."""
    client = open_client()
    request = dataset_pb2.ResolveRequest(dataset=str(names.dataset(name)))
    found = client.call("Datasets/Resolve", request, dataset_pb2.ResolveReply)
    one, revision = found.dataset, found.revision
    files = filetree.files(client, revision.tree)
    if as_json:
        output.as_json({
            "name": one.name,
            "revision": revision.number,
            "tree": revision.tree,
            "bytes": revision.bytes,
            "content": filetree.shape(files),
        })  # fmt: skip
        return
    filetree.show(
        "Overview",
        [
            ("Name", one.name),
            ("Cloud", "nsml"),
            ("Region", "-"),
            ("Storage Name", "-"),
            ("Active", "Y"),
            ("Revision", f"{revision.number}, {when(revision.pushed)} by {revision.pushed_by}"),
            ("Size", f"{size(revision.bytes)} in {counted(revision.files, 'file')}"),
            ("Access", "private" if one.private else "public"),
        ],
    )
    filetree.show("Files", filetree.draw(files))


@datastore.command()
@click.option("--name", "-n", metavar="NAME", required=True, help="What it is called.")
@click.option(
    "--source-path",
    "-p",
    "path",
    metavar="PATH",
    required=True,
    shell_complete=complete.files,
    help="What to send.",
)
def upload(*, name: str, path: str) -> None:
    """Send a folder or a file as a dataset's next revision.

    With a slash at its end (PATH/) what is in the folder is sent; without one the folder itself.
    """
    source = Path(path)
    last = os.path.basename(path)  # noqa: PTH119 - which has no name for `data/`, and Path has
    if not source.exists():
        raise NotFound(f"There is no folder {source}.")
    is_content = source.is_dir() and last in {"", ".", ".."}
    folder = source if is_content else source.absolute().parent
    with transfer.sending(f"Pushing {name}") as bar:
        pushed = open_client().datasets.push(
            name, folder, ignore=None if is_content else _only(source.name), progress=bar
        )
    dataset.tell_pushed(pushed)


def _only(name: str) -> Callable[[str, bool], bool]:
    """Return the rule that leaves out all but one folder or file."""
    return lambda path, _: path.partition("/")[0] != name
