"""`nsml token`: what scripts come in with."""

import click

from nsml_cli import options, output
from nsml_cli.client import open_client
from nsml_cli.output import Column
from nsml_cli.text import iso, when
from nsml_protos.identity_pb2 import Token

_COLUMNS = (Column("Name"), Column("Id"), Column("Scopes"), Column("Issued"), Column("Until"))
_ID_SHOWN = 8
_SCOPES = ("read", "write", "manage", "admin")


@click.group(no_args_is_help=True)
def token() -> None:
    """Create, list and revoke tokens for scripts."""


@token.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(_SCOPES),
    help="Only this; may be repeated. Unsaid: all that you may.",
)
@click.option("--days", metavar="N", type=options.Count(1), default=365, show_default=True)
def create(*, name: str, scopes: tuple[str, ...], days: int) -> None:
    """Print a new token, this once; a script says it by NSML_TOKEN."""
    reply = open_client().tokens.create(name, scopes=scopes, days=days)
    output.show(reply.token)
    output.note(f"It is good until {when(reply.about.expires)}, and is not shown again.")


@token.command("ls")
@options.as_json
def list_all(*, as_json: bool) -> None:
    """List your tokens, logins too; what each is itself is shown nowhere."""
    found = open_client().tokens.ls()
    if as_json:
        output.as_json([_shape(one) for one in found])
        return
    output.table(_COLUMNS, [_cells(one) for one in found], "You have no tokens.")


@token.command()
@click.argument("name")
def revoke(*, name: str) -> None:
    """Make a token void, by its name or id; within about a second nobody takes it any more."""
    gone = open_client().tokens.revoke(name)
    output.show(f"Token {gone.name or gone.id} is void")


def _cells(one: Token) -> list[str]:
    scopes = " ".join(one.scopes) or "all"
    name = one.name or "(login)"
    return [name, one.id[:_ID_SHOWN], scopes, when(one.issued), when(one.expires)]


def _shape(one: Token) -> dict[str, object]:
    return {
        "id": one.id,
        "name": one.name or None,
        "scopes": list(one.scopes),
        "issued": iso(one.issued),
        "expires": iso(one.expires),
    }
