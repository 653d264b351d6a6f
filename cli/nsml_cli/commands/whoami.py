"""`nsml whoami`: the name that the platform knows you by."""

import click

from nsml_cli import options, output
from nsml_cli.client import open_client
from nsml_cli.text import iso


@click.command()
@options.as_json
def whoami(*, as_json: bool) -> None:
    """Show who you are here."""
    client = open_client()
    user = client.whoami()
    if as_json:
        output.as_json(
            {
                "name": user.name,
                "admin": user.admin,
                "registered": iso(user.registered),
                "team": client.team or None,
            }
        )
        return
    output.show(f"{user.name}, for {client.team}" if client.team else user.name)
