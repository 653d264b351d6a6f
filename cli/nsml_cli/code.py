"""The folder of code that becomes a session: sent with words, and what limits it."""

from pathlib import Path

from nsml_cli import output, transfer
from nsml_cli.text import counted, size
from nsml_client.client import Client
from nsml_client.code import holding_tokens
from nsml_protos.session_pb2 import RunRequest


def push(client: Client, request: RunRequest, folder: Path, *, quiet: bool, verbose: bool) -> None:
    """Send what of a folder is missing, and name it in the request."""
    if not quiet:
        for name in holding_tokens(folder):
            output.note(
                f"{name} holds a registry's token in plain text, which is kept with the code: take "
                f"it out or name {name} in .nsmlignore, and make the token invalid."
            )
    with transfer.sending("" if quiet else "Sending code") as bar:
        tree = client.sessions.push(request, folder, bar)
    if verbose:
        output.note(
            f"Code {tree.id}: {counted(tree.files, 'file')}, {size(tree.bytes)}; "
            f"the store grew by {size(tree.stored_bytes)}."
        )


def show_limits() -> None:
    from nsml_core.blobs import ignore

    output.facts([("Files", str(ignore.FILES_MAX)), ("Size", size(ignore.BYTES_MAX))])


def show_default_ignore() -> None:
    from nsml_core.blobs import ignore

    for pattern in ignore.DEFAULTS:
        output.show(pattern)
