"""`nsml resume | fork`: what can be made of a session that there was."""

import secrets
from typing import Any

import click

from nsml_cli import complete, options, output, overrides, sessions
from nsml_cli.client import open_client
from nsml_cli.exits import ExitCode
from nsml_cli.follow import Follower, everything
from nsml_cli.text import moment
from nsml_client import names
from nsml_client.client import Client
from nsml_client.errors import rejecting
from nsml_core.errors import NotFound
from nsml_protos import session_pb2

_checkpoint = click.option(
    "--checkpoint",
    "-c",
    metavar="CHECKPOINT",
    default="",
    shell_complete=complete.checkpoint_names,
    help="Where to go on; by default the one saved last.",
)
_new_environment = click.option(
    "--new-environment", is_flag=True, help="Resolve its requirements anew, instead of as it ran."
)
_follow = click.option("--follow", "-f", is_flag=True, help="Show its output from now on.")


@click.command()
@options.session
@_checkpoint
@click.option("--from-start", is_flag=True, help="Start over, from no checkpoint.")
@_new_environment
@_follow
@click.pass_context
def resume(
    context: click.Context,
    *,
    name: str,
    checkpoint: str,
    from_start: bool,
    new_environment: bool,
    follow: bool,
) -> None:
    """Run an ended session again, from where its latest checkpoint left it.

    It is the same session: another attempt, whose steps, metrics and logs go on.
    """
    if checkpoint and from_start:
        raise click.UsageError("Name a checkpoint, or start over with --from-start: not both.")
    client = open_client()
    resumed = client.sessions.named(name).resume(
        checkpoint=checkpoint, from_start=from_start, new_environment=new_environment
    )
    one = resumed.info
    output.show(f"Session {one.name} is resumed")
    output.note(f"Attempt {_next_attempt(one)} {_beginning(one)}.")
    if follow:
        context.exit(_follow_resumed(client, one.name))


@click.command()
@options.team
@options.session
@_checkpoint
@click.option("--at", metavar="EVENT", default="", help="As it was then: a number of its history.")
@click.option("--entry", "-e", metavar="FILE", help="Another script of the same code.")
@click.option("--args", "-a", metavar="ARGS", multiple=True, help="Other arguments, all of them.")
@click.option("--gpus", "-g", metavar="N", type=options.Count(0), help="Another number of GPUs.")
@click.option("--nodes", "-n", metavar="N", type=options.Count(1), help="Another number of nodes.")
@click.option("--cpu", "--cpus", "cpus", metavar="N", type=options.Count(1), help="And of CPUs.")
@click.option("--memory", metavar="SIZE", help="Another limit of memory, such as 8G.")
@click.option("--memo", "-m", metavar="TEXT", default="", help="A word about it, for `nsml ps`.")
@options.restarts
@options.params
@options.no_config_args
@_new_environment
@_follow
@click.option("--shm-size", "--shm", hidden=True, expose_value=False)
@options.overrides
@click.pass_context
def fork(context: click.Context, /, **given: Any) -> None:
    """Make a new session of one, running or ended, as it was at any event of its past.

    Code, data revision, environment and seed are the same, and so is what is not given here. It
    goes on from the latest checkpoint that there was, and nothing is copied. KEY=VALUE changes its
    configuration: `nsml fork mnist/3 train.lr=0.1`.
    """
    request = _fork_request(given)
    client = open_client()
    request.session = names.session(given["name"], client.owner)
    if given["words"] or given["params"]:
        overrides.configure_again(request, sessions.get(client, request.session).spec, given)
    if request.HasField("entry"):
        _check_entry(client, request)
    with rejecting():
        one = client.call("Sessions/Fork", request, session_pb2.RunReply).session
    output.show(f"Session {one.name} is started")
    output.note(
        f"It is {one.parent.session} as it was at event {one.parent.sequence}, "
        f"and {_beginning(one)}."
    )
    if given["follow"]:
        context.exit(Follower(client, one.name).run())


def _fork_request(given: dict[str, Any]) -> session_pb2.ForkRequest:
    return session_pb2.ForkRequest(
        checkpoint=given["checkpoint"],
        sequence=names.event(given["at"]) if given["at"] else 0,
        entry=given["entry"],
        args=names.arguments(given["args"]),
        new_args=bool(given["args"]),
        gpus=given["gpus"],
        cpus=given["cpus"],
        nodes=given["nodes"],
        memory_bytes=names.memory(given["memory"]) if given["memory"] else None,
        memo=given["memo"],
        new_environment=given["new_environment"],
        restarts=given["restarts"],
        key=secrets.token_hex(16),
    )


def _check_entry(client: Client, request: session_pb2.ForkRequest) -> None:
    """What is not part of the code would only fail later."""
    one = sessions.get(client, request.session)
    if request.entry not in client.trees.files(one.spec.code_tree):
        raise NotFound(
            f"There is no {request.entry!r} in the code of {one.name}: "
            f"`nsml pull {one.name}` brings it here."
        )


def _beginning(one: session_pb2.Session) -> str:
    if one.HasField("start"):
        return f"goes on from checkpoint {one.start.name}"
    return "starts from the beginning"


def _next_attempt(one: session_pb2.Session) -> int:
    return (one.attempts[-1].number if one.attempts else 0) + one.unplaced + 1


def _follow_resumed(client: Client, name: str) -> ExitCode | int:
    """Leave out what earlier attempts printed; the platform's clock says what that is."""
    resumed = [line for line in sessions.history(client, name) if line.event == "Resumed"]
    since = moment(resumed[-1].time)
    since_us = int(since.timestamp() * 1_000_000) if since else 0
    return Follower(client, name, everything(since_us)).run()
