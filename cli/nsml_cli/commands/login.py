"""`nsml login | logout`: who one is, for the commands that follow."""

import os
import sys
from typing import Any

import click

from nsml_cli import options, output
from nsml_cli.client import open_client
from nsml_cli.text import when
from nsml_client import profile
from nsml_client.client import Client
from nsml_client.profile import Profile
from nsml_core.errors import Invalid, NotFound, Unauthenticated
from nsml_core.settings import home_folder
from nsml_protos.identity_pb2 import LoginReply


@click.command()
@click.argument("server", metavar="[HOST:PORT]", default="")
@click.option("--username", "-u", metavar="NAME", default="", help="Log in by name and password.")
@click.option(
    "--password", metavar="TEXT", default="", help="Better left out: it is asked for then."
)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--invitation", metavar="CODE", default="", help="Choose a password; needs -u.")
@click.option("--renew", is_flag=True, help="Another login in place of this one, for as long.")
@options.team
@click.pass_context
def login(context: click.Context, /, *, server: str, renew: bool, **given: Any) -> None:
    """Log in; -t TEAM says for whom the commands that follow make things.

    Without --username by the platform's provider, on any device with a browser. HOST:PORT is where
    a platform elsewhere is; else it is the one of the last login, or the one on this machine.
    """
    team = str(context.meta.pop(options.TEAM, ""))
    home = home_folder()
    before = profile.load(home)
    if server:
        _set_server(server)
    place = server or before.server
    if renew or (team and before.name and not (given["username"] or server)):
        _check_team(team, open_client())  # while there is still the login of before
        reply = open_client().tokens.renew()
    else:
        from_stdin = given["password_stdin"]
        password = sys.stdin.readline().rstrip("\n") if from_stdin else given["password"]
        reply = _enter(given["username"], password, given["invitation"])
    found = Profile(place, reply.name, team or (before.team if renew else ""), reply.token)
    client = Client(token=found.token)
    context.call_on_close(client.close)
    _check_team(found.team, client)
    kept = profile.save(home, found)
    of = f", for {found.team}" if found.team else ""
    output.show(f"Welcome to NSML, {reply.name}{of}: this login is good until "
                f"{when(reply.about.expires)}")  # fmt: skip
    output.note(f"Its token is kept in {kept}.")


def _set_server(server: str) -> None:
    if not server.rpartition(":")[2].isdecimal():
        raise Invalid(f"{server!r} is no place to log in to: write HOST:PORT.")
    os.environ["NSML_SERVER"] = server


def _enter(name: str, password: str, invitation: str) -> LoginReply:
    client = open_client()
    client.is_nobody = True
    if invitation:
        if not name:
            raise click.UsageError("Say whose invitation it is: --username NAME.")
        chosen = password or click.prompt("Password", hide_input=True, confirmation_prompt=True)
        return client.logins.set_password(name, invitation, chosen)
    if not name and client.logins.ways().provider:
        return _by_provider(client)
    name = name or click.prompt("Username")
    return client.logins.by_password(name, password or click.prompt("Password", hide_input=True))


def _by_provider(client: Client) -> LoginReply:
    begun = client.logins.begin()
    output.show(f"Open {begun.url} and type {begun.code}")
    if begun.complete_url:
        output.note(f"Or open {begun.complete_url}")
    return client.logins.end(begun)


def _check_team(team: str, client: Client) -> None:
    """Refuse a team that one is not in, before anything is kept."""
    if team and team not in [one.name for one in client.teams.ls()]:
        raise NotFound(f"There is no team {team} that you belong to: `nsml teams` shows yours.")


@click.command()
def logout() -> None:
    """Log out: the token is void from then on, wherever it lies."""
    home = home_folder()
    known = profile.load(home)
    if not known.name:
        output.show("You were not logged in")
        return
    try:
        open_client().tokens.revoke()
    except Unauthenticated:  # it was void already
        output.note("That login had ended by itself.")
    profile.forget(home, known)
    output.show(f"{known.name} is logged out")
