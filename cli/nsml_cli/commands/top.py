"""`nsml top`: what runs and waits, and what it uses."""

import os
import sys

import click

from nsml_cli import glance, options, output
from nsml_cli.client import open_client


@click.command()
@click.option(
    *("--every", "-n"),
    metavar="SECONDS",
    type=click.FloatRange(0.2, 3_600),
    default=2.0,
    help="How often it looks; 2.",
)
@click.option("--once", is_flag=True, help="Print one picture, as in a pipe.")
@options.as_json
def top(*, every: float, once: bool, as_json: bool) -> None:
    """Watch nodes, devices and live sessions, and what these use.

    Keys: arrows choose a session, l or Enter shows its log, s sorts by the next column, r turns
    the order round, q quits.
    """
    seen = glance.look(open_client())
    if as_json:
        output.as_json(glance.shape(seen))
    elif once or not _is_screen():
        _print(seen)
    else:
        from nsml_cli.top_screen import Top

        Top(seen, every).run()


def _is_screen() -> bool:
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return os.environ.get("TERM") != "dumb" and all(stream.isatty() for stream in streams)


def _print(seen: glance.Glance) -> None:
    nodes = [glance.node_cells(seen, use) for use in seen.nodes]
    output.table(glance.NODES, nodes, "No node has joined yet.")
    devices = list(glance.device_cells(seen))
    if devices:
        output.show("")
        output.table(glance.DEVICES, devices, "")
    output.show("")
    rows = [glance.session_cells(row, seen.time) for row in seen.rows]
    output.table(glance.SESSIONS, rows, "Nothing runs and nothing waits.")
