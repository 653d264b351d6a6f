"""`nsml logs`: what sessions have printed."""

from typing import Any

import click

from nsml_cli import many, options, sessions
from nsml_cli.client import open_client
from nsml_cli.follow import Follower, Sink
from nsml_cli.loglines import Lines
from nsml_cli.logtext import Writer
from nsml_cli.text import is_terminal
from nsml_client import names
from nsml_protos.session_pb2 import STDERR, STDOUT, LogsRequest

_DEFAULT_FILE = "-"


@click.command()
@options.sessions
@click.option("--follow", "-f", is_flag=True, help="Go on until the session has ended.")
@click.option("--tail", "-n", metavar="N", type=options.Count(1), help="Only the last N lines.")
@click.option("--since", metavar="TIME", help="Such as 10m, 2h, 1d, or 2026-01-31T14:05.")
@click.option("--until", metavar="TIME", help="Only what was printed before.")
@click.option("--grep", metavar="PATTERN", help="Only lines that have this regular expression.")
@click.option("--ignore-case", "-i", is_flag=True, help="Of the pattern.")
@click.option(
    "--rank", "ranks", metavar="N", type=options.Count(), multiple=True, help="Only of these."
)
@click.option("--stdout", is_flag=True, help="Only standard output.")
@click.option("--stderr", is_flag=True, help="Only standard error.")
@click.option("--time", "-t", "with_time", is_flag=True, help="Say when each line was printed.")
@click.option(
    "--raw",
    metavar="[FILE]",
    is_flag=False,
    flag_value=_DEFAULT_FILE,
    help="Bring the whole of standard output (--stderr: error), as it came, into FILE.",
)
@options.as_json
@click.pass_context
def logs(context: click.Context, /, *, typed: list[str], raw: str | None, **given: Any) -> None:
    """Print what sessions have printed; with -f, end with their exit code.

    Several sessions, or a pattern, are shown together, with their names before the lines.
    """
    wanted = _wanted(**given)
    client = open_client()
    found = _found(client, typed)
    if raw is not None:
        from nsml_cli import rawlog

        stream = STDERR if given["stderr"] else STDOUT
        for name in found:
            rawlog.fetch(client, name, stream, "" if raw == _DEFAULT_FILE else raw)
        return
    wanted.lines = len(found) > 1 or _is_by_line(**given)
    sink = _sink(found, lines=wanted.lines, **given)
    if not given["follow"]:
        many.show(client, found, wanted, sink)
    elif len(found) > 1:
        context.exit(many.follow(found, wanted, sink))
    else:
        context.exit(Follower(client, found[0], wanted, sink=sink).run())


def _found(client: Any, typed: list[str]) -> list[str]:
    if len(typed) == 1 and not names.is_pattern(typed[0]):
        return [sessions.get(client, typed[0]).name]
    return sessions.find(client, typed, live_only=False)


def _wanted(**given: Any) -> LogsRequest:
    if given["until"] and given["follow"]:
        raise click.UsageError("-f goes on to the end: leave out --until.")
    if given["ignore_case"] and not given["grep"]:
        raise click.UsageError("-i is for --grep PATTERN: say what to look for.")
    now = names.now()
    chosen = [(STDOUT, given["stdout"]), (STDERR, given["stderr"])]
    return LogsRequest(
        tail=given["tail"] or 0,
        since_us=names.since(given["since"], now) if given["since"] else 0,
        until_us=names.since(given["until"], now) if given["until"] else 0,
        pattern=("(?i)" if given["ignore_case"] else "") + (given["grep"] or ""),
        ranks=given["ranks"],
        sources=[source for source, is_chosen in chosen if is_chosen],
    )


def _is_by_line(**given: Any) -> bool:
    """On a terminal a single log is followed as it comes, so that progress bars move."""
    by_line = ("tail", "grep", "ranks", "with_time", "as_json")
    return not (given["follow"] and is_terminal()) or any(given[name] for name in by_line)


def _sink(found: list[str], **given: Any) -> Sink:
    if not given["lines"]:
        return Writer()
    width = max(map(len, found)) if len(found) > 1 else 0
    return Lines(with_time=given["with_time"], as_json=given["as_json"], names=width)
