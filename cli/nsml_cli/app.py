"""The table of all commands; a command's module is imported only when it is called."""

from importlib import import_module
from typing import NamedTuple

import click
from click.shell_completion import CompletionItem

from nsml_cli.output import bold

_WELCOME = """\
NSML runs your training code on data: push data, run code, watch it, pull the model."""

_FIRST_STEPS = {
    "nsml up": "start the platform on this machine",
    "nsml dataset push mnist ./data": "push a folder of data",
    'nsml run -d mnist -a "--lr 0.1"': "run main.py of this folder on it",
    "nsml logs -f mnist/1": "watch it",
    "nsml model pull mnist/1": "bring its latest model here",
}


class Entry(NamedTuple):
    """A command of the top level."""

    module: str
    attribute: str
    help: str


_SECTIONS: dict[str, dict[str, Entry]] = {
    "Platform": {
        "up": Entry("platform", "up", "Start the platform on this machine."),
        "open": Entry("browser", "open_pages", "Open the web, or a session's page, in a browser."),
        "down": Entry("platform", "down", "Stop it, and the sessions that run on it."),
        "status": Entry("status", "status", "Show its parts, its nodes and its queue."),
        "queue": Entry("queue", "queue", "Show who waits, in order, why, and until when."),
        "gpumonitor": Entry("gpumonitor", "gpumonitor", "Show each GPU, its use, and its holder."),
        "node": Entry("node", "node", "List nodes; drain, cordon and remove them."),
        "quota": Entry("quota", "quota", "Show what you may hold at once; admins set it."),
        "policy": Entry("policy", "policy", "Show how the queue is ordered; admins set it."),
        "credit": Entry("credit", "credit", "Show your credit, and each change of it."),
        "simulate": Entry("simulate", "simulate", "Replay a trace, or the past, under policies."),
        "admin": Entry("admin", "admin", "Verify and restore the log, back up, restore."),
        "version": Entry("version", "version", "Print the version."),
        "completion": Entry("completion", "completion", "Print completion for your shell."),
    },
    "People": {
        "login": Entry("login", "login", "Log in, here or at a platform elsewhere."),
        "logout": Entry("login", "logout", "Log out: the token is void from then on."),
        "whoami": Entry("whoami", "whoami", "Show who you are here."),
        "teams": Entry("team", "teams", "List your teams, and what you are in each."),
        "team": Entry("team", "team", "Create a team; say who belongs to it."),
        "token": Entry("token", "token", "Create, list and revoke tokens for scripts."),
        "user": Entry("user", "user", "List people; admins add, change and erase them."),
    },
    "Data": {
        "dataset": Entry("dataset", "dataset", "Push, list, search, show, pull, remove datasets."),
    },
    "Sessions": {
        "run": Entry("run", "run", "Run the code in this folder."),
        "ps": Entry("ps", "ps", "List your sessions."),
        "show": Entry("show", "show", "Show everything known about a session."),
        "why": Entry("why", "why", "Say why a session waits, was stopped, was lost or failed."),
        "command": Entry("command", "command", "Print the line that runs one like it."),
        "memo": Entry("session", "memo", "Change a session's memo."),
        "stop": Entry("session", "stop", "Stop sessions."),
        "rm": Entry("session", "rm", "Remove sessions."),
    },
    "Watching": {
        "logs": Entry("logs", "logs", "Print what a session printed; -f follows it."),
        "metrics": Entry("metrics", "metrics", "Show what sessions reported; write it to files."),
        "records": Entry("records", "records", "List a session's images, texts, tables."),
        "plot": Entry("plot", "plot", "Draw the metrics of sessions; -f goes on drawing."),
        "tensorboard": Entry("tensorboard", "tensorboard", "Show sessions in TensorBoard, live."),
        "top": Entry("top", "top", "Watch nodes, devices, live sessions, and what they use."),
    },
    "Reaching in": {
        "eval": Entry("evaluate", "evaluate", "Evaluate Python in a running session."),
        "terminal": Entry("evaluate", "terminal", "Type Python for a running session."),
        "exec": Entry("enter", "execute", "Run a command beside a running session."),
        "sh": Entry("enter", "sh", "Open a shell beside a running session."),
    },
    "History": {
        "history": Entry("history", "history", "Tell what happened to a session, event by event."),
        "resume": Entry("again", "resume", "Run an ended session again, from its checkpoint."),
        "fork": Entry("again", "fork", "Make a new session of one, as it was at any event."),
        "tree": Entry("tree", "tree", "Draw which session was forked from which."),
        "replay": Entry("replay", "replay", "Run a session again exactly, and compare."),
        "diff": Entry("diff", "diff", "Compare sessions: arguments, code, data, metrics."),
    },
    "Results": {
        "model": Entry("model", "model", "List, pull and remove the models of a session."),
        "pull": Entry("files", "pull", "Bring a session's code here, as it was run."),
        "download": Entry("files", "download", "Bring here what a session wrote."),
        "checkpoint": Entry("checkpoint", "checkpoint", "List, view, download any checkpoint."),
    },
    "Competitions": {
        "submit": Entry("submit", "submit", "Have a checkpoint scored on a board; -t rehearses."),
        "board": Entry("board", "board", "Show rankings; open, freeze, reveal, verify boards."),
        "infer": Entry("submit", "infer", "Ask a checkpoint: lines of JSON in, and out."),
    },
    "As PeriFlow": {
        "job": Entry("job", "job", "Run, list, view, stop and log jobs: sessions by other names."),
        "vm": Entry("vm", "vm", "List the classes of machines that job files name."),
        "datastore": Entry("datastore", "datastore", "List, view and upload datasets."),
    },
}
ENTRIES = {name: entry for section in _SECTIONS.values() for name, entry in section.items()}


class LazyGroup(click.Group):
    """Knows names and one-line helps; the rest of a command is imported when it is called."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        return load(cmd_name) if cmd_name in ENTRIES else None

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(ENTRIES)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in ENTRIES and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(_no_such_command(args[0]), ctx)
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write(f"{_WELCOME}\n\nUsage: nsml COMMAND …    nsml COMMAND --help\n")
        _write_list(formatter, "First steps", _FIRST_STEPS)
        for title, entries in _SECTIONS.items():
            _write_list(formatter, title, {name: entry.help for name, entry in entries.items()})
        records = (parameter.get_help_record(ctx) for parameter in self.get_params(ctx))
        _write_list(formatter, "Options", dict(record for record in records if record))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        matches = [(name, entry) for name, entry in ENTRIES.items() if name.startswith(incomplete)]
        return [CompletionItem(name, help=entry.help) for name, entry in matches]


def load(name: str) -> click.Command:
    """Import a command."""
    entry = ENTRIES[name]
    command = getattr(import_module(f"nsml_cli.commands.{entry.module}"), entry.attribute)
    assert isinstance(command, click.Command)  # noqa: S101 - tells the type checker what the table says
    return command


@click.command(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--version", is_flag=True, help="Print the version.")
@click.pass_context
def nsml(context: click.Context, *, version: bool) -> None:
    """NSML runs your training code on data."""
    if version:
        context.invoke(load("version"))
    elif not context.invoked_subcommand:
        click.echo(context.get_help())


def _no_such_command(typed: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(typed, ENTRIES)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"There is no command {typed!r}.{hint}"


def _write_list(formatter: click.HelpFormatter, title: str, rows: dict[str, str]) -> None:
    formatter.write(f"\n{bold(title)}\n")
    width = max(map(len, rows))
    for name, text in rows.items():
        formatter.write(f"  {name.ljust(width)}  {text}\n")
