"""`nsml credit`: what is left, what became of the rest, and what admins grant."""

import click

from nsml_cli import books, options, output
from nsml_cli.client import open_client
from nsml_cli.output import Column
from nsml_cli.text import clock, credits_of, elapsed, when, whole_credits
from nsml_client.credit import PERIODS
from nsml_protos import ledger_pb2

_COLUMNS = (
    Column("Time"),
    Column("Event"),
    Column("Session"),
    Column("Amount", right=True),
    Column("Available", right=True),
    Column("Duration", right=True),
    Column("From"),
    Column("Reason", may_cut=True),
)
# A number below zero is no option; it is refused in the same words as any other.
_NUMBERS = {"ignore_unknown_options": True}

_of = click.option(
    "--of", "owner", metavar="NAME", default="", help="Of a user or a team; for admins."
)
_owner = click.argument("owner", metavar="NAME")


@click.group(invoke_without_command=True)
@click.option("--verbose", "-v", is_flag=True, help="What is held, spent and granted, too.")
@click.option("--at", metavar="TIME", default="", help="As it stood then: 10m ago, or a time.")
@_of
@options.team
@options.as_json
@click.pass_context
def credit(context: click.Context, *, verbose: bool, at: str, owner: str, as_json: bool) -> None:
    """Show your credit: 1 is one GPU for one minute."""
    if context.invoked_subcommand:
        if owner:
            raise click.UsageError("Write --of behind the word: nsml credit history --of NAME.")
        return
    book = open_client().credit.balance(owner, at=at)
    if as_json:
        output.as_json(books.shape(book))
        return
    _show(book, verbose=verbose)
    if not at:
        books.warn_if_low(book)


def _show(book: ledger_pb2.Book, *, verbose: bool) -> None:
    output.show(f"User : {book.owner} credit {whole_credits(book.available)}")
    if granted := books.allowance(book.allowance):
        output.show(f"Allowance : {granted}")
    if verbose:
        output.facts([
            ("Held", credits_of(book.held)),
            ("Spent", credits_of(book.spent)),
            ("Granted", credits_of(book.granted)),
        ])  # fmt: skip


@credit.command()
@options.last
@_of
@click.option("--verbose", "--all", "-v", "verbose", is_flag=True, help="Each posting by itself.")
@options.as_json
def history(*, last: int, owner: str, verbose: bool, as_json: bool) -> None:
    """Show what changed it: a line for each attempt of a session, and for each grant.

    The parts that an attempt was charged in are added up; with -v, and in JSON, each posting has a
    line of its own.
    """
    by_attempt = not (verbose or as_json)
    lines = open_client().credit.history(owner, limit=last, by_attempt=by_attempt)
    if as_json:
        output.as_json([books.line_shape(line) for line in lines])
        return
    output.table(_COLUMNS, [_cells(line) for line in lines], "Your credit has not changed yet.")


def _cells(line: ledger_pb2.StatementLine) -> list[str]:
    moves = line.amount or line.session  # a warning, or the word of an admin, moves nothing
    return [
        when(line.time),
        line.event,
        f"{line.session}#{line.attempt}" if line.session else "",
        credits_of(line.amount, digits=3) if moves else "",
        credits_of(line.available, sign="+", digits=3) if moves else "",
        elapsed(line.started, line.ended),
        clock(line.started),
        line.reason,
    ]


@credit.command(context_settings=_NUMBERS)
@_owner
@click.argument("number", metavar="N")
@click.option("--reason", "-m", metavar="TEXT", default="", help="What for; the owner sees it.")
@click.option(
    "--key", metavar="KEY", default="", help="The same key never grants twice; for scripts."
)
def grant(*, owner: str, number: str, reason: str, key: str) -> None:
    """Give a user or a team N credits; for admins."""
    book = open_client().credit.grant(owner, number, reason=reason, key=key)
    output.show(f"{book.owner} has {whole_credits(book.available)} credits")


@credit.command(context_settings=_NUMBERS)
@_owner
@click.argument("number", metavar="[N]", default="")
@click.option("--every", type=click.Choice(list(PERIODS)), help="How often.")
@click.option("--none", is_flag=True, help="End it; so does 0.")
def allowance(*, owner: str, number: str, every: str | None, none: bool) -> None:
    """Give a user or a team N credits whenever a day, week or month begins; for admins.

    Periods begin at midnight UTC, weeks on Monday. The one that has begun counts, once. What is
    left over stays.
    """
    if none == bool(number):
        raise click.UsageError("Write N --every day, week or month, or --none to end it.")
    book = open_client().credit.set_allowance(owner, number or "0", every=every or "")
    given = books.allowance(book.allowance) or "nothing by itself"
    output.show(f"{book.owner} gets {given}")
