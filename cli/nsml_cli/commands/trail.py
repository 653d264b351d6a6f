"""`nsml admin audit`: who did what, when; the log itself is the trail."""

import click

from nsml_cli import options, output
from nsml_cli.client import open_client
from nsml_cli.output import Column
from nsml_cli.text import iso
from nsml_client import names
from nsml_client.client import Client
from nsml_core.settings import SERVICES
from nsml_protos.care_pb2 import TrailLine, TrailRequest

_COLUMNS = (
    Column("Entry", right=True),
    Column("Time"),
    Column("Who"),
    Column("What"),
    Column("About", may_cut=True),
)
_SHOWN = 100


@click.command("audit")
@click.option("--who", metavar="NAME", default="", help="By whom; * and ? stand for anything.")
@click.option("--what", metavar="TEXT", default="", help="An event, or what it is about; as --who.")
@click.option("--since", metavar="TIME", default="", help="Not before: 2h ago, or a time.")
@click.option("--until", metavar="TIME", default="", help="Before: as --since.")
@click.option("--last", "-n", metavar="N", type=options.Count(0), default=_SHOWN, help="0: all.")
@options.as_json
def audit(*, who: str, what: str, since: str, until: str, last: int, as_json: bool) -> None:
    """Show who did what, oldest first: every change of the platform's state is in its log."""
    request = TrailRequest(who=who, what=what, limit=last)
    request.since_us = names.since(since, names.now()) if since else 0
    request.until_us = names.since(until, names.now()) if until else 0
    client = open_client()
    found = [line for service in SERVICES for line in _of(client, service, request)]
    found.sort(key=lambda line: line.sequence)
    found = found[-last:] if last else found
    if as_json:
        output.as_json([_shape(line) for line in found])
        return
    output.table(_COLUMNS, [_cells(line) for line in found], "Nothing like that happened.")


def _of(client: Client, service: str, request: TrailRequest) -> list[TrailLine]:
    return [line for reply in client.admin.trail(service, request) for line in reply.lines]


def _cells(line: TrailLine) -> list[str]:
    return [str(line.sequence), iso(line.time) or "", line.actor, line.event, line.about]


def _shape(line: TrailLine) -> dict[str, object]:
    return {
        "sequence": line.sequence,
        "time": iso(line.time),
        "who": line.actor,
        "what": line.event,
        "about": line.about,
        "request": line.request_id,
    }
