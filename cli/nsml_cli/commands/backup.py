"""`nsml admin backup | restore | log restore`: what is kept, and how it comes back."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nsml_cli import embedded, output
from nsml_core.settings import home_folder

if TYPE_CHECKING:
    from nsml_cli.transfer import Bar
    from nsml_core.backup_file import Header
    from nsml_local.restoring import Restored

_file = click.argument("file", type=click.Path(path_type=Path))


@click.command()
@_file
def backup(file: Path) -> None:
    """Write all of this machine's platform into one FILE; it may run meanwhile.

    Whoever has the file can read everything and speak for everybody.
    """
    embedded.module()
    from nsml_local import backups

    with _bar("Backing up") as bar:
        header = backups.backup(home_folder(), file.absolute(), output.note, bar)
    output.show(f"{file} is good for {_position(header)}")
    _tell_of_blobs(header)


@click.command()
@_file
@click.option("--check", is_flag=True, help="Only hold what is in FILE against its hashes.")
def restore(file: Path, *, check: bool) -> None:
    """Make a new home (NSML_HOME) of a backup."""
    embedded.module()
    from nsml_local import backups

    if check:
        with _bar("Checking") as bar:
            header = backups.check(file, bar)
        output.show(f"{file} is whole: {_position(header)}, written {header.time}")
        return
    home = home_folder()
    with _bar("Restoring") as bar:
        header = backups.restore(home, file.absolute(), output.note, bar)
    output.show(f"{home} holds {_position(header)}: `nsml up` starts it")
    output.note("What ran then is Lost once it is up: `nsml resume` goes on with it.")
    _tell_of_blobs(header)


def restore_log(before: int) -> None:
    """Make the log whole again, and say what could be had."""
    embedded.module()
    from nsml_local import restoring

    with _bar("Restoring") as bar:
        done = restoring.restore_log(home_folder(), output.note, bar, before)
    _tell_of_log(done)


def _tell_of_log(done: "Restored") -> None:
    if done.plan is None:
        output.show("The restore that was broken off is done: `nsml up` starts the platform")
        return
    union, lost = done.plan.union, done.plan.lost
    whole = "nothing was lost" if not union.beyond and not lost else _losses(union.beyond, lost)
    output.show(
        f"The log holds {union.last:,} entries again, the last of {union.time:%Y-%m-%dT%H:%M:%SZ}; "
        f"{whole}"
    )
    if done.beyond:
        output.note(f"What could not be placed is in {done.beyond}.")
    if done.aside:
        output.note(f"The log as it was is in {done.aside}.")
    if done.plan.again:
        output.note(f"Folded anew at the next start: {', '.join(done.plan.again)}.")
    output.note("`nsml up` starts the platform.")


def _losses(beyond: int, lost: int) -> str:
    gone = [f"{lost:,} after it are lost"] if lost else []
    kept = [f"{beyond:,} beyond a gap could not be placed and are kept in a file"] if beyond else []
    return " and ".join([*gone, *kept])


def _position(header: "Header") -> str:
    return f"the log up to entry {header.position} of {header.last_entry}"


def _tell_of_blobs(header: "Header") -> None:
    if header.blobs:
        output.note(
            f"Blobs are not in it: they stay at {header.blobs}; set NSML_BLOBS_URL to that."
        )


@contextmanager
def _bar(label: str) -> "Iterator[Bar]":
    from nsml_cli.transfer import Bar

    bar = Bar(label)
    try:
        yield bar
    finally:
        bar.close()
