"""The client of the running command."""

import os

import click

from nsml_cli.options import TEAM
from nsml_client.client import Client


def open_client() -> Client:
    """Return a client that is closed when the command ends; all its calls are one request."""
    context = click.get_current_context()
    client = Client(request_id=os.urandom(16).hex(), team=context.meta.get(TEAM, ""))
    context.call_on_close(client.close)
    return client
