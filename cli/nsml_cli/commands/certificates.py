"""`nsml admin certificates`: for places without a CA of their own."""

from pathlib import Path

import click

from nsml_cli import output


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.argument("hosts", metavar="[HOST]…", nargs=-1)
@click.option("--client", "clients", metavar="NAME", multiple=True, help="Also one to call with.")
@click.option("--days", default=365, show_default=True, help="How long they are good.")
def certificates(folder: Path, hosts: tuple[str, ...], clients: tuple[str, ...], days: int) -> None:
    """Make a CA in DIR, if there is none, and a certificate of it for each HOST.

    A HOST is a machine's name or address, as others reach it. One that has a certificate gets a new
    one; services take it up without a restart. Keep ca.key where nobody reads it.
    """
    from nsml_core.certificates import open_authority

    authority = open_authority(folder)
    made = [authority.vouch_for_host(host, days) for host in hosts]
    made += [authority.vouch_for_client(name, days) for name in clients]
    output.show(f"NSML_TLS_CA={folder.absolute() / 'ca.pem'}")
    for file in made:
        output.show(
            f"NSML_TLS_CERT={file.absolute()} NSML_TLS_KEY={file.with_suffix('.key').absolute()}"
        )
