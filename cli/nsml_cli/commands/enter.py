"""`nsml exec | sh`: programs beside the running process of a session."""

import os
import sys
from collections.abc import Sequence

import click

from nsml_cli import options, output
from nsml_cli.client import open_client
from nsml_client import names
from nsml_protos.session_pb2 import ShellOpen


@click.command(
    "exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@click.option("--tty", "-t", is_flag=True, help="In a terminal of its own.")
@options.rank
@options.session
@click.argument("command", metavar="-- COMMAND...", nargs=-1, required=True)
@click.pass_context
def execute(
    context: click.Context, *, name: str, command: Sequence[str], tty: bool, rank: int
) -> None:
    """Run a command beside the code of a running session, and end with its exit code.

    It has the folder, the environment and the Python of the session's code, is counted with it,
    and ends with it. Input, output and errors are those of this command.
    """
    words = command[1:] if command[0] == "--" else command
    if not words:
        raise click.UsageError("What is to be run? Write it behind --.")
    context.exit(_enter(name, words, rank, in_terminal=tty))


@click.command()
@options.session
@options.rank
@click.pass_context
def sh(context: click.Context, *, name: str, rank: int) -> None:
    """Open a shell beside the code of a running session.

    It has the folder, the environment and the Python of the session's code, is counted with it,
    and ends with it. Ctrl-C goes to what runs in the shell; Ctrl-D or exit leaves.
    """
    is_person = sys.stdin.isatty() and sys.stdout.isatty()
    context.exit(_enter(name, (), rank, in_terminal=is_person))


def _enter(name: str, command: Sequence[str], rank: int, *, in_terminal: bool) -> int:
    from nsml_cli.shell import Shell, window_size

    client = open_client()
    opened = ShellOpen(name=names.session(name, client.owner), command=command, rank=rank)
    if in_terminal:
        if not sys.stdin.isatty():
            raise click.UsageError("--tty needs a terminal: leave it out.")
        opened.terminal.CopyFrom(window_size())
        opened.term = os.environ.get("TERM", "")
    ended = Shell(client, opened).run()
    if ended.message:
        if in_terminal:  # whatever stands in the last line stays there
            click.echo()
        output.fail(ended.message)
    return ended.exit_code
