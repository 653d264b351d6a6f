"""`nsml stop | rm | memo`: what is done to one session, or to several."""

from collections.abc import Callable

import click

from nsml_cli import options, output, sessions
from nsml_cli.client import open_client
from nsml_cli.exits import ExitCode, exit_code
from nsml_client.client import Client
from nsml_core.errors import Error


@click.command()
@options.sessions
@click.option("--reason", "-m", metavar="TEXT", default="", help="Kept with the session.")
@click.pass_context
def stop(context: click.Context, *, typed: list[str], reason: str) -> None:
    """Stop sessions: names, or patterns with * and ? (quote them).

    The code gets a polite signal first. What it saved stays.
    """
    client = open_client()
    found = sessions.find(client, typed, live_only=True)
    context.exit(_each(found, lambda name: _stop(client, name, reason)))


@click.command()
@options.sessions
@click.option("--force", "-f", is_flag=True, help="Stop a session first if it is live.")
@click.option("--scored", is_flag=True, help="Also what a best score on a board stands on.")
@click.pass_context
def rm(context: click.Context, *, typed: list[str], force: bool, scored: bool) -> None:
    """Remove sessions: names, or patterns with * and ? (quote them).

    Their logs, code and models go with them. The names are never used again.
    """
    client = open_client()
    found = sessions.find(client, typed, live_only=False)
    context.exit(_each(found, lambda name: _remove(client, name, force=force, scored=scored)))


@click.command()
@options.session
@click.argument("text", metavar="TEXT")
def memo(*, name: str, text: str) -> None:
    """Change a session's memo, the Description in `nsml ps`; "" clears it."""
    open_client().sessions.named(name).set_memo(text)


def _each(found: list[str], act: Callable[[str], None]) -> ExitCode:
    """Do it to each: one that cannot be does not keep the others from it."""
    worst = ExitCode.OK
    for name in found:
        try:
            act(name)
        except Error as error:
            output.fail(error.sentence)
            worst = max(worst, exit_code(error))
    return worst


def _stop(client: Client, name: str, reason: str) -> None:
    one = client.sessions.named(name).stop(reason)
    if one.is_live:
        output.show(f"Session {name} is stopping")
    elif one.status == "Stopped":
        output.show(f"Session {name} is stopped")
    else:
        output.show(f"Session {name} had ended")


def _remove(client: Client, name: str, *, force: bool, scored: bool) -> None:
    client.sessions.named(name).remove(force=force, scored=scored)
    output.show(f"Session {name} is removed")
