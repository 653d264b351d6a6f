"""What a shell offers where the name of something that there is, or of a file, is to be typed."""

from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from nsml_core.errors import Error

if TYPE_CHECKING:  # they come with grpcio, and most commands complete nothing
    from nsml_client.client import Client
    from nsml_protos import session_pb2

_NEWEST = 200


def session_names(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str]:
    """Return the sessions whose names begin so, in full or shortened."""
    user, found = _sessions()
    names = [one.name for one in found]
    names += [name.removeprefix(f"{user}/") for name in names]
    return [name for name in names if name.startswith(incomplete)]


def checkpoint_names(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str]:
    """Return the checkpoints of the session that was named, the newest first."""
    user, found = _sessions()
    # Behind an option that still lacks its value, click leaves arguments as they are.
    typed = context.params.get("name") or next(iter(context.args), "")
    of = [one for one in found if typed in (one.name, one.name.removeprefix(f"{user}/"))]
    names = [point.name for one in of for point in reversed(one.checkpoints)]
    return [name for name in names if name.startswith(incomplete)]


def checkpoint_ids(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str]:
    """Return the checkpoints of all sessions, in full or shortened."""
    user, found = _sessions()
    names = [f"{one.name}:{point.name}" for one in found for point in reversed(one.checkpoints)]
    names += [name.removeprefix(f"{user}/") for name in names]
    return [name for name in names if name.startswith(incomplete)]


def tags(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the words that sessions have."""
    known = {tag for one in _sessions()[1] for tag in one.spec.tags}
    return sorted(tag for tag in known if tag.startswith(incomplete))


def files(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Let the shell offer files."""
    return [CompletionItem(incomplete, type="file")]


def folders(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Let the shell offer folders."""
    return [CompletionItem(incomplete, type="dir")]


def _sessions() -> "tuple[str, list[session_pb2.Session]]":
    """Return who asks, and the newest sessions."""
    from nsml_cli import sessions
    from nsml_protos import session_pb2

    request = session_pb2.ListSessionsRequest(all=True, limit=_NEWEST)
    try:
        with _client() as client:
            return client.owner, [row.session for row in sessions.rows(client, request)]
    except Error:  # nobody to ask: a shell that completes is no place to complain
        return "", []


def dataset_names(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str]:
    """Return the datasets whose names begin so."""
    from nsml_protos import dataset_pb2

    request = dataset_pb2.ListDatasetsRequest()
    try:
        with _client() as client:
            found = client.call("Datasets/List", request, dataset_pb2.ListDatasetsReply).datasets
    except Error:  # (the same)
        return []
    return [one.name for one in found if one.name.startswith(incomplete)]


def _client() -> "Client":
    from nsml_client.client import Client

    return Client()
