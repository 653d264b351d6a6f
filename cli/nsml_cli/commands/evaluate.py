"""`nsml eval | terminal`: Python in the running process of a session."""

import sys
from dataclasses import replace

import click

from nsml_cli import options, output, typed
from nsml_cli.client import open_client
from nsml_cli.evaluations import Asking
from nsml_cli.exits import ExitCode, exit_code
from nsml_client import names
from nsml_core.errors import Unavailable

_now = click.option("--now", is_flag=True, help="At once; else when the code next reports.")
_timeout = click.option(
    "--timeout",
    "-t",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    help="For waiting and evaluating together; 60.",
)
_LEAVING = {"exit", "exit()", "quit", "quit()"}


@click.command("eval")
@options.session
@click.argument("code", metavar="CODE")
@_now
@_timeout
@options.rank
@click.pass_context
def evaluate(
    context: click.Context, *, name: str, code: str, now: bool, timeout: float, rank: int
) -> None:
    """Evaluate Python in a running session, in the scope that it gave to report().

    Statements and expressions, - for what stands on the input. It runs in the session's own
    process, when that next reports, and can change what is there: 'lr = 0.01'.
    """
    asking = replace(_asking(name, now=now, timeout=timeout), rank=rank)
    context.exit(asking.ask(sys.stdin.read() if code == "-" else code))


@click.command()
@options.session
@_now
@_timeout
@click.pass_context
def terminal(context: click.Context, *, name: str, now: bool, timeout: float) -> None:
    """Type Python for a running session, line by line.

    Ctrl-C drops what is typed, or takes it back; Ctrl-D leaves; %now switches --now on and off.
    """
    is_person = sys.stdin.isatty() and sys.stdout.isatty()
    code = _converse(_asking(name, now=now, timeout=timeout), with_prompt=is_person)
    context.exit(ExitCode.OK if is_person else code)


def _converse(asking: Asking, *, with_prompt: bool) -> ExitCode:
    """Ask one thing after the other; return how the last one went."""
    if with_prompt:
        output.note(f"Python in {asking.name}, {_when(asking)}. Ctrl-D leaves, %now switches.")
    code = ExitCode.OK
    for statement in typed.statements(with_prompt=with_prompt):
        word = statement.strip()
        if word in _LEAVING:
            break
        if word == "%now":
            asking = replace(asking, now=not asking.now)
            output.note(f"From here on, {_when(asking)}.")
        else:
            code = _ask(asking, statement)
    return code


def _ask(asking: Asking, statement: str) -> ExitCode:
    """Ask; what may be better next time is no reason to leave."""
    try:
        return asking.ask(statement)
    except KeyboardInterrupt:
        output.note("\nTaken back.")
        return ExitCode.INTERRUPTED
    except Unavailable as error:
        output.fail(error.sentence)
        return exit_code(error)


def _when(asking: Asking) -> str:
    return "evaluated at once" if asking.now else "evaluated when its code next reports"


def _asking(name: str, *, now: bool, timeout: float) -> Asking:
    client = open_client()
    return Asking(client, names.session(name, client.owner), now, timeout)
