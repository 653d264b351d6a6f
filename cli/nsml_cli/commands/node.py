"""`nsml node`: where sessions run, and what admins do with it."""

import click

from nsml_cli import nodes, options, output
from nsml_cli.client import open_client
from nsml_core.errors import Refused

_name = click.argument("name", metavar="NAME")
_reason = click.option("--reason", metavar="TEXT", default="", help="Why, for who asks.")


@click.group(no_args_is_help=True)
def node() -> None:
    """Nodes: where sessions run."""


@node.command("ls")
@options.as_json
def ls(*, as_json: bool) -> None:
    """List the nodes: what each has, and what of it is given away."""
    found = open_client().nodes.ls()
    if as_json:
        output.as_json([nodes.shape(use) for use in found])
        return
    output.table(nodes.COLUMNS, nodes.rows(found), "No node has joined yet.")


@node.command("add")
@click.argument("name", metavar="[NAME]", default="")
def add(*, name: str) -> None:
    """Say how a node joins."""
    raise Refused(
        f"{name or 'A node'} cannot be added here: this platform runs on one machine, which joined "
        "by itself when it was started; what it has is read anew at each `nsml up`."
    )


@node.command("drain")
@_name
@click.option("--now", is_flag=True, help="What runs there is stopped, and goes on later.")
@_reason
def drain(*, name: str, now: bool, reason: str) -> None:
    """Empty a node: it takes nothing new, and what runs there ends."""
    client = open_client()
    client.nodes.drain(name, now=now, reason=reason)
    held = next((len(use.running) for use in client.nodes.ls() if use.node.name == name), 0)
    output.show(f"{name} is drained; it holds {held} session{'s' * (held != 1)} now")


@node.command("cordon")
@_name
@_reason
def cordon(*, name: str, reason: str) -> None:
    """Let a node take nothing new; what runs there goes on."""
    open_client().nodes.cordon(name, reason=reason)
    output.show(f"{name} takes nothing new")


@node.command("uncordon")
@_name
def uncordon(*, name: str) -> None:
    """Let a node take sessions again."""
    open_client().nodes.uncordon(name)
    output.show(f"{name} takes sessions")


@node.command("rm")
@_name
@_reason
def rm(*, name: str, reason: str) -> None:
    """Let a node go for good; the sessions of a lost one go too."""
    open_client().nodes.rm(name, reason=reason)
    output.show(f"{name} has left")
