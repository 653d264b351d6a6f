"""`nsml user`: who is known here, and what admins change of it."""

import click

from nsml_cli import options, output
from nsml_cli.client import open_client
from nsml_cli.output import Column
from nsml_cli.text import iso, when

_COLUMNS = (Column("Name"), Column("Since"), Column("Is"))
_name = click.argument("name")


@click.group(no_args_is_help=True)
def user() -> None:
    """List people; admins add, change and erase them."""


@user.command("ls")
@options.as_json
def list_all(*, as_json: bool) -> None:
    """List everybody."""
    found = open_client().users.ls()
    if as_json:
        output.as_json(
            [
                {
                    "name": one.name,
                    "admin": one.admin,
                    "disabled": one.disabled,
                    "registered": iso(one.registered),
                }
                for one in found
            ]
        )
        return
    rows = [
        [one.name, when(one.registered), "disabled" if one.disabled else "admin" * one.admin]
        for one in found
    ]
    output.table(_COLUMNS, rows, "Nobody is known here.")


@user.command()
@_name
@click.option("--admin", is_flag=True, help="An admin of the platform.")
@click.option("--login", metavar="NAME", default="", help="What the provider calls them.")
@click.option("--mail", metavar="ADDRESS", default="", help="Kept where it can be erased.")
@click.option("--full-name", metavar="TEXT", default="", help="As --mail.")
def add(*, name: str, admin: bool, login: str, mail: str, full_name: str) -> None:
    """Make somebody known, or invite them anew: print what they type to choose a password."""
    reply = open_client().users.invite(
        name, admin=admin, login=login, mail=mail, full_name=full_name
    )
    output.show(f"nsml login -u {name} --invitation {reply.invitation}")
    output.note(f"This is good once, within {reply.hours} hours: tell it to {name} alone.")


@user.command()
@_name
@click.option("--reason", "-m", metavar="TEXT", default="", help="For the audit trail.")
def disable(*, name: str, reason: str) -> None:
    """Let nobody speak as somebody any more; what is theirs stays."""
    open_client().users.change(name, disabled=True, reason=reason)
    output.show(f"{name} is disabled: `nsml user enable {name}` lets them in again")


@user.command()
@_name
def enable(*, name: str) -> None:
    """Let somebody in again."""
    open_client().users.change(name, disabled=False)
    output.show(f"{name} may come in again")


@user.command("admin")
@_name
@click.option("--no", "is_none", is_flag=True, help="Not any more.")
def make_admin(*, name: str, is_none: bool) -> None:
    """Make somebody an admin of the platform."""
    open_client().users.change(name, admin=not is_none)
    output.show(f"{name} is {'no admin any more' if is_none else 'an admin'}")


@user.command()
@_name
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(*, name: str, yes: bool) -> None:
    """End an account for good, and destroy what is personal of it.

    Mail, full name, password and what the provider calls them go; the name and what it did stay in
    the log, and the name is never given again. Backups that were made before still hold all of it.
    """
    if not yes:
        click.confirm(f"Erase {name} for good?", abort=True)
    open_client().users.erase(name)
    output.show(f"{name} is erased")
