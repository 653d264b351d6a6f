"""`nsml teams | team`: who shares what with whom."""

import click

from nsml_cli import options, output
from nsml_cli.client import open_client
from nsml_cli.output import Column
from nsml_client.people import ROLES
from nsml_protos.identity_pb2 import User

_COLUMNS = (Column("Team"), Column("You are"), Column("Members", may_cut=True))
_WORDS = {number: word for word, number in ROLES.items()}
_team = click.argument("name", metavar="TEAM")
_person = click.argument("person", metavar="NAME")
_role = click.argument("role", type=click.Choice(list(ROLES)))


@click.command()
@click.option("--all", "-a", "everybodys", is_flag=True, help="Everybody's; for admins.")
@options.as_json
def teams(*, everybodys: bool, as_json: bool) -> None:
    """List your teams, and what you are in each."""
    client = open_client()
    found = client.teams.ls(everybodys=everybodys)
    if as_json:
        output.as_json(
            [
                {"name": team.name, "members": {one.name: _WORDS[one.role] for one in team.members}}
                for team in found
            ]
        )
        return
    rows = [[team.name, _role_in(team, client.user), _members(team)] for team in found]
    output.table(_COLUMNS, rows, "You are in no team: an admin founds one by `nsml team create`.")


@click.group(no_args_is_help=True)
def team() -> None:
    """Create a team; say who belongs to it."""


team.add_command(teams, "ls")


@team.command()
@_team
@click.option("--owner", metavar="NAME", default="", help="Its first owner; you, unless said.")
def create(*, name: str, owner: str) -> None:
    """Make a team; for admins."""
    made = open_client().teams.create(name, owner)
    output.show(f"Team {made.name} is there: {_members(made)}")


@team.command()
@_team
@_person
@click.option("--role", type=click.Choice(list(ROLES)), default="member", show_default=True)
def add(*, name: str, person: str, role: str) -> None:
    """Take somebody into a team; for its owners."""
    _tell(open_client().teams.set_member(name, person, role))


@team.command("role")
@_team
@_person
@_role
def set_role(*, name: str, person: str, role: str) -> None:
    """Give somebody another role; for owners.

    A viewer sees what is the team's, a member makes and changes it, an owner says who belongs.
    """
    _tell(open_client().teams.set_member(name, person, role))


@team.command()
@_team
@_person
def remove(*, name: str, person: str) -> None:
    """Let somebody go; for owners, and for oneself."""
    _tell(open_client().teams.remove_member(name, person))


def _tell(changed: User) -> None:
    output.show(f"Team {changed.name}: {_members(changed)}")


def _members(found: User) -> str:
    return ", ".join(f"{one.name} ({_WORDS[one.role]})" for one in found.members)


def _role_in(found: User, name: str) -> str:
    return next((_WORDS[one.role] for one in found.members if one.name == name), "")
