"""Options and arguments that several commands share."""

from typing import Any

import click

from nsml_cli import complete

_MOST = (1 << 31) - 1


class Count(click.ParamType[int]):
    """How many of something."""

    name = "number"

    def __init__(self, least: int = 0) -> None:
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number = int(value)
        except ValueError:
            self.fail(f"{value!r} is no whole number.", param, ctx)
        if not self._least <= number <= _MOST:
            self.fail(f"{number} is not between {self._least} and {_MOST}.", param, ctx)
        return number


TEAM = "nsml.team"
"""Where the context of a command keeps the team that it acts for."""


def _act_for(context: click.Context, _parameter: click.Parameter, team: str | None) -> None:
    if team:
        context.meta[TEAM] = team


team = click.option(
    "--team",
    "-t",
    metavar="TEAM",
    expose_value=False,
    callback=_act_for,
    help="For a team of yours: what is made is its own.",
)
long_team = click.option(
    "--team",
    metavar="TEAM",
    expose_value=False,
    callback=_act_for,
    help="For a team of yours: it is the contestant.",
)
"""Where -t means something else."""
as_json = click.option(
    "--json", "-j", "--json-return", "as_json", is_flag=True, help="Print JSON; see docs/cli.md."
)
verbose = click.option("--verbose", "-v", is_flag=True, help="Say more.")
force = click.option("--force", "-f", is_flag=True, help="Replace what is there.")
at = click.option(
    "--at", metavar="TIME", default="", help="As they stood then: 10m ago, or a time."
)
last = click.option(
    "--last", "-n", metavar="N", type=Count(0), default=0, help="Only the newest N."
)
restarts = click.option(
    "--restarts",
    metavar="N",
    type=Count(0),
    help="How often it goes on by itself, when its runner is lost.",
)


def waiting(command: Any) -> Any:
    """Take what is to hold while a session waits, and for how long it may run."""
    taken = (
        click.option(
            "--priority",
            metavar="CLASS",
            default="normal",
            help="low, normal, high, or a class of `nsml policy`: not all are for everybody.",
        ),
        click.option(
            "--preemptible", is_flag=True, help="Any other session may take its room; it goes on."
        ),
        click.option(
            "--after",
            metavar="SESSION",
            multiple=True,
            shell_complete=complete.session_names,
            help="It waits until this one has ended well; may be repeated.",
        ),
        click.option("--time", metavar="TIME", default="", help="It is ended after 90, 45m, 2h …"),
    )
    for option in reversed(taken):
        command = option(command)
    return command


rank = click.option(
    "--rank", metavar="N", type=Count(0), default=0, help="Of a session on several nodes; 0."
)
overrides = click.argument("words", metavar="[KEY=VALUE]...", nargs=-1)
params = click.option(
    "--params",
    metavar="FILE|JSON",
    default="",
    shell_complete=complete.files,
    help="A trial's parameters, which nni.get_next_parameter() returns.",
)
no_config_args = click.option(
    "--no-config-args", is_flag=True, help="Do not hand KEY=VALUE to the script as arguments, too."
)
session = click.argument("name", metavar="SESSION", shell_complete=complete.session_names)
sessions = click.argument(
    "typed", metavar="SESSION...", nargs=-1, required=True, shell_complete=complete.session_names
)
dataset = click.argument("name", metavar="NAME", shell_complete=complete.dataset_names)
path = click.argument("path", metavar="[PATH]", default="", shell_complete=complete.folders)
tag = click.option(
    "--tag",
    metavar="TAG",
    default="",
    shell_complete=complete.tags,
    help="Only sessions with this tag; * and ?.",
)
search = click.option(
    "--search",
    "-s",
    metavar="SESSION",
    default="",
    shell_complete=complete.session_names,
    help="Only those matching; * and ?.",
)
