"""`nsml up | down`: the platform on this machine."""

import os
import time
from pathlib import Path

import click

from nsml_cli import embedded, output, sessions
from nsml_cli.client import open_client
from nsml_cli.text import duration
from nsml_core.errors import Unavailable
from nsml_core.settings import home_folder
from nsml_protos import session_pb2

_STOP_SECONDS = 30
_POLL_SECONDS = 0.2


@click.command()
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help="Serve other machines too, at an address of this one: five ports from PORT on, by TLS.",
)
@click.option("--swarm", is_flag=True, help="Deploy it on the Docker Swarm that is managed here.")
def up(listen: str | None, *, swarm: bool) -> None:
    """Start the platform on this machine; its state is kept in NSML_HOME (~/.nsml)."""
    if swarm:
        _up_on_swarm()
        return
    if listen:
        os.environ["NSML_LISTEN"] = listen
    here = embedded.module()
    home = home_folder()
    began = time.monotonic()
    endpoints = here.up(home, output.note)
    where = f"~/{home.relative_to(Path.home())}" if home.is_relative_to(Path.home()) else home
    if endpoints.was_up:
        output.show(f"NSML is up: its state is in {where}")
    else:
        took = duration(time.monotonic() - began)
        output.show(f"NSML is up after {took}: its state is in {where}")
    if endpoints.web_address:
        output.show(f"Its pages are at http://{endpoints.web_address}: `nsml open` opens them")


def _up_on_swarm() -> None:
    began = time.monotonic()
    deployed = embedded.swarm().up(output.note)
    took = duration(time.monotonic() - began)
    output.show(f"NSML is up on the Swarm after {took}. With this, `nsml` finds it:")
    output.show(
        f"export NSML_SERVER={deployed.server} NSML_TLS_NAME=nsml NSML_TLS_CA={deployed.ca} "
        f"NSML_HOME={deployed.home}"
    )
    output.show(f"Its pages are at {deployed.web}")


@click.command()
def down() -> None:
    """Stop the platform on this machine, and the sessions that run on it."""
    here = embedded.module()
    if here.down(home_folder(), _stop_sessions, output.note):
        output.show("NSML is down: `nsml up` brings it back with everything in it")
    else:
        output.show("NSML was not running")


def _stop_sessions() -> None:
    """End sessions while all is there to record how; queued ones first, or they would start."""
    client = open_client()
    deadline = time.monotonic() + _STOP_SECONDS
    listing = session_pb2.ListSessionsRequest()
    asked: set[str] = set()
    while live := [row.session for row in sessions.rows(client, listing)]:
        for one in sorted(live, key=lambda one: one.status):
            if one.name not in asked:
                request = session_pb2.StopRequest(name=one.name, reason="nsml down")
                client.call("Sessions/Stop", request, session_pb2.Session)
                output.note(f"Stopping session {one.name}")
                asked.add(one.name)
        if time.monotonic() > deadline:
            raise Unavailable(f"{len(live)} sessions did not stop in {_STOP_SECONDS} seconds.")
        time.sleep(_POLL_SECONDS)
