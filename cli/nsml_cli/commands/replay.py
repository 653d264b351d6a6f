"""`nsml replay`: a session run again exactly, and compared with what it was."""

from typing import Any

import click

from nsml_cli import options, output
from nsml_cli.client import open_client
from nsml_cli.exits import ExitCode
from nsml_cli.follow import Follower
from nsml_client.client import Client
from nsml_client.modes import Sync
from nsml_client.same import GPU_TOLERANCE, Comparison, first_environment
from nsml_client.session import Session
from nsml_core.errors import Refused


@click.command()
@options.session
@click.option(
    "--tolerance",
    metavar="RATIO",
    type=click.FloatRange(0, 1),
    help=f"How far metrics may be apart; by default 0, and {GPU_TOLERANCE:g} on GPUs.",
)
@options.as_json
@click.pass_context
def replay(context: click.Context, *, name: str, tolerance: float | None, as_json: bool) -> None:
    """Run a session again: same code, data, environment, arguments, seed and resources.

    Then what it was given, its ending, its models and its metrics are compared; the exit code is 1
    if any differ. With a tolerance above 0, models may: they cannot be almost the same.
    """
    client = open_client()
    one = client.sessions.get(name)
    again = _run_again(client, one)
    if first_environment(one.info).environment and not first_environment(again.info).environment:
        raise Refused(f"{again.name} should replay {one.name} and did not start: {again.reason}")
    found = one.compare(again, tolerance=tolerance)
    if as_json:
        output.as_json({"session": one.name, "replay": again.name, **_shape(found)})
    else:
        _show(one, again, found)
    if found.differences:
        context.exit(ExitCode.REFUSED)


def _run_again(client: Client, one: Session[Sync]) -> Session[Sync]:
    """Start its replay, and wait for the end."""
    again = one.replay()
    output.note(f"Session {again.name} replays {one.name}.")
    if len([tried for tried in one.info.attempts if tried.environment]) > 1:
        output.note(f"{one.name} was resumed: what is compared with it runs through in one go.")
    Follower(client, again.name, quiet=True).run()
    if again.refresh().is_live:  # Ctrl-C ended the following
        output.note(f"`nsml diff {one.name} {again.name}` compares them when it has ended.")
        raise click.exceptions.Exit(ExitCode.INTERRUPTED)
    return again


def _show(one: Session[Sync], again: Session[Sync], found: Comparison) -> None:
    for what, count in (("models", found.checkpoints), ("points of metrics", found.points)):
        output.show(f"{count} {what} compared")
    for difference in (*found.differences, *found.tolerated):
        output.show(difference)
    output.show(f"{again.name} and {one.name} are {found.verdict}")


def _shape(found: Comparison) -> dict[str, Any]:
    return {
        "identical": found.identical,
        "within_tolerance": not found.differences,
        "tolerance": found.tolerance,
        "checkpoints": found.checkpoints,
        "points": found.points,
        "differences": found.differences,
        "tolerated": found.tolerated,
    }
