"""`nsml admin credit`: whether every credit is where the log says that it must be."""

import sys

import click

from nsml_cli import options, output
from nsml_cli.client import open_client
from nsml_cli.exits import ExitCode
from nsml_cli.text import counted
from nsml_protos import ledger_pb2


@click.group(no_args_is_help=True)
def credit() -> None:
    """The ledger of all."""


@credit.command()
@options.as_json
@click.pass_context
def audit(context: click.Context, /, *, as_json: bool) -> None:
    """Recompute every book and every charge from the log, and print what differs: none.

    Each charge is held against its session's own events, and what is shown against what follows
    from the log. What differs is named; the exit code is 1 then.
    """
    differences, last = _read()
    if as_json:
        output.as_json(_shape(differences, last))
    else:
        _show(differences, last)
    if differences:
        output.fail(f"{counted(len(differences), 'difference')}: keep a copy of the home.")
        context.exit(ExitCode.REFUSED)


def _read() -> tuple[list[ledger_pb2.Difference], ledger_pb2.AuditReply]:
    """Read to the end, and say on a terminal how far it is."""
    found: list[ledger_pb2.Difference] = []
    last = ledger_pb2.AuditReply()
    is_watched = sys.stderr.isatty()
    for part in open_client().admin.audit():
        found += part.differences
        last = part
        if is_watched:
            share = part.position * 100 // max(part.end, part.position, 1)
            sys.stderr.write(f"\r{part.entries:,} entries, {share}%\x1b[K")
    if is_watched:
        sys.stderr.write("\r\x1b[K")
    return found, last


def _show(differences: list[ledger_pb2.Difference], last: ledger_pb2.AuditReply) -> None:
    for one in differences:
        place = f" at {one.sequence}" if one.sequence else ""
        output.show(f"{one.name}{place}: {one.what}")
    seen = f"{last.entries:,} entries, {last.books:,} books, {last.attempts:,} attempts"
    output.show(f"{seen}, {last.holds:,} holds; differences: {len(differences) or 'none'}")


def _shape(
    differences: list[ledger_pb2.Difference], last: ledger_pb2.AuditReply
) -> dict[str, object]:
    return {
        "entries": last.entries,
        "books": last.books,
        "attempts": last.attempts,
        "holds": last.holds,
        "differences": [
            {"name": one.name, "sequence": one.sequence or None, "what": one.what}
            for one in differences
        ],
    }
