"""`nsml version`: which NSML this is."""

import click

from nsml_cli import output


@click.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as version_of

    output.show(f"nsml {version_of('nsml-cli')}")
