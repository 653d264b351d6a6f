"""`nsml admin`: whether the log is what was written, and the views what follows from it."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import click

from nsml_cli import output
from nsml_cli.client import open_client
from nsml_cli.commands import audit, backup, certificates, trail
from nsml_cli.exits import ExitCode
from nsml_cli.output import Column
from nsml_cli.text import counted
from nsml_client.client import Client
from nsml_core.settings import SERVICES
from nsml_protos import care_pb2

_TABLES = (
    Column("View"),
    Column("Table"),
    Column("Rows", right=True),
    Column("Folded anew", right=True),
    Column("Same"),
)
_services = click.argument("services", metavar="[SERVICE]…", nargs=-1, type=click.Choice(SERVICES))


@click.group(no_args_is_help=True)
def admin() -> None:
    """For those who look after the platform."""


@admin.group(no_args_is_help=True)
def log() -> None:
    """The log of everything that happened."""


@admin.group(no_args_is_help=True)
def views() -> None:
    """What is seen: folded from the log."""


@log.command()
@_services
@click.pass_context
def verify(context: click.Context, /, services: tuple[str, ...]) -> None:
    """Hold each entry against the one before it and against its archived copy.

    What was altered or lost is named; the exit code is 1 then.
    """
    client = open_client()
    found = sum(_verify(client, service) for service in services or SERVICES)
    if found:
        output.fail(
            f"{counted(found, 'finding')}: `nsml down`; `nsml admin log restore` mends what was "
            "found or says how."
        )
        context.exit(ExitCode.REFUSED)


def _verify(client: Client, service: str) -> int:
    found, entries = 0, 0
    for reply in client.admin.verify_log(service):
        entries = reply.entries
        for finding in reply.findings:
            found += 1
            output.show(f"{finding.subject} at {finding.sequence}: {finding.what}")
    verdict = "as written" if not found else counted(found, "finding")
    output.show(f"{service}: {entries:,} entries, {verdict}")
    return found


@log.command()
@_services
@click.option("--archive", is_flag=True, help="The other way round: make the archive of the log.")
@click.option("--before", type=click.IntRange(min=1), metavar="ENTRY", help="Keep what precedes.")
@click.pass_context
def restore(
    context: click.Context, /, services: tuple[str, ...], *, archive: bool, before: int | None
) -> None:
    """Make a lost or damaged log whole again from its archives, while the platform is down.

    With --archive the other way round, while it is up. If an entry can be trusted nowhere, nothing
    is done until --before names it: only what precedes it is kept then.
    """
    if archive:
        context.invoke(rebuild, services=services, check=False)
    elif services:
        raise click.UsageError("A log is restored as a whole: name services with --archive only.")
    else:
        backup.restore_log(before or 0)


@views.command()
@_services
@click.option("--check", is_flag=True, help="Compare only; leave the live view as it is.")
@click.pass_context
def rebuild(context: click.Context, /, services: tuple[str, ...], *, check: bool) -> None:
    """Fold views anew beside the live ones, compare them, and put them in their place."""
    client = open_client()
    wanted = services or SERVICES
    with ThreadPoolExecutor() as together:  # each service has a process of its own to do it in
        replies = list(together.map(partial(client.admin.rebuild_views, check=check), wanted))
    rows = [
        _cells(service, table)
        for service, reply in zip(wanted, replies, strict=True)
        for table in reply.tables
    ]
    output.table(_TABLES, rows, "")
    if any(row[-1] == "no" for row in rows):
        output.fail(
            "A view was not what follows from the log"
            + (": `nsml admin views rebuild` mends it." if check else "; it is now.")
        )
        context.exit(ExitCode.REFUSED)


admin.add_command(audit.credit)
admin.add_command(trail.audit)
admin.add_command(backup.backup)
admin.add_command(backup.restore)
admin.add_command(certificates.certificates)


def _cells(service: str, table: care_pb2.TableComparison) -> list[str]:
    same = "yes" if table.equal else "no"
    return [service, table.table, f"{table.rows:,}", f"{table.rows_again:,}", same]
