"""`nsml open`: the web, in a browser that it logs in."""

import webbrowser

import click

from nsml_cli import embedded, output
from nsml_cli.client import open_client
from nsml_client import names, weblink
from nsml_core.settings import home_folder


@click.command("open")
@click.argument("name", metavar="[SESSION]", default="")
@click.option("--print", "-p", "only_print", is_flag=True, help="Print the link, and open nothing.")
def open_pages(*, name: str, only_print: bool) -> None:
    """Open the web in a browser; with SESSION, the page of that session.

    The link that is printed logs in once, within ten minutes: open it where a browser is.
    """
    client = open_client()
    client.whoami()  # at once and in our words, if there is no platform
    to = f"/sessions/{names.session(name, client.owner)}" if name else "/"
    at = client.settings
    address = at.web_address or embedded.module().web_of(home_folder())
    url = weblink.make(address, client.token, to, ca=at.tls.ca if at.tls else None)
    if only_print or not webbrowser.open(url):
        output.show(url)
    else:
        output.show(f"Opened {weblink.origin(address)}{to}")
