"""`nsml admin backup | restore`: a whole home in one file, and a new home made of such a file."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nsml_core import backup as core
from nsml_core.backup import Bar, Source
from nsml_core.backup_file import Header, read_header, verify
from nsml_core.database import AWAY
from nsml_core.errors import Invalid, NotFound, Refused, Unavailable
from nsml_core.settings import run_dir
from nsml_core.unpack import Target, unpack
from nsml_local import embedded, home, processes, servers, supervision
from nsml_local.home import Home, sync_folder
from nsml_local.readiness import Progress
from nsml_local.restoring import at_rest, postgres_of

_SPARE = 1.25
"""A home takes more room than its backup: the views, and the archive in them."""


def backup(folder: Path, file: Path, progress: Progress, bar: Bar) -> Header:
    """Write a backup of a home, which may run or not."""
    if file.resolve().is_relative_to(folder.resolve()):
        raise Invalid(f"{file} lies in the home that it is to be a backup of: name another file.")
    if not file.parent.is_dir():
        raise NotFound(f"There is no folder {file.parent}.")
    with _serving(folder, progress) as source:
        try:
            return asyncio.run(core.backup(source, file, bar))
        except AWAY:
            raise Unavailable("The platform went away meanwhile; back up again.") from None


def check(file: Path, bar: Bar) -> Header:
    """Hold all that is in a backup against its hashes."""
    header = read_header(file)
    total = file.stat().st_size
    for done in verify(file):
        bar(done, total)
    return header


def restore(folder: Path, file: Path, progress: Progress, bar: Bar) -> Header:
    """Make a new home of a backup; a home that is not empty stays as it is."""
    _refuse_unless_empty(folder)
    header = read_header(file)
    _refuse_other_servers(header)
    progress(f"Checking {file}")
    check(file, bar)
    draft = folder.with_name(f".{folder.name}.restoring")
    with embedded.locked(draft, progress):
        _refuse_unless_empty(folder)
        _clear(draft)
        try:
            progress(f"Making {folder}")
            _make(draft, file, bar)
            _put_in_place(draft, folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return header


def _make(draft: Path, file: Path, bar: Bar) -> None:
    total = file.stat().st_size
    home.check_room(draft, "the home", int(total * _SPARE))
    at = home.make(draft)
    try:
        with servers.nats_server(draft) as nats_url, servers.postgres(draft) as postgres_url:
            target = Target(draft, nats_url, postgres_url)
            asyncio.run(unpack(file, target, lambda done: bar(done, total)))
        # What ran where the backup was made, this node cannot know: see `LocalEngine`.
        shutil.rmtree(at.settings.work)
    finally:
        shutil.rmtree(run_dir(draft), ignore_errors=True)


def _put_in_place(draft: Path, folder: Path) -> None:
    try:
        draft.rename(folder)
    except OSError as error:
        raise Refused(
            f"{folder} cannot be made ({error.strerror}): set NSML_HOME to a folder that is not "
            "there yet."
        ) from error
    sync_folder(folder.parent)


def _clear(draft: Path) -> None:
    """Remove what a restore that was killed has left, but the lock that we hold."""
    processes.stop(draft)
    for path in draft.iterdir():
        if path.name != "lock":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def _serving(folder: Path, progress: Progress) -> Iterator[Source]:
    """A home's servers: as they run, or started for as long as the block runs."""
    at = home.find(folder)
    if at is not None and supervision.connect(at):
        yield _source(at, at.settings.postgres_url or at.postgres_url)
        return
    if at is not None:
        home.refuse_a_half_restored_log(at)
    with at_rest(folder, progress) as still, postgres_of(still) as postgres_url:
        if still.settings.nats_url:
            yield _source(still, postgres_url)
            return
        with servers.running(servers.nats_program(still), still):
            yield _source(still, postgres_url)


def _source(at: Home, postgres_url: str) -> Source:
    settings = at.settings
    nats_url = settings.nats_url or at.nats_url
    return Source(at.folder, nats_url, postgres_url, settings.blobs_url)


def _refuse_unless_empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused(
            f"{folder} is not empty, and a backup makes a new home: set NSML_HOME to a folder that "
            "is not there yet, or move this one away."
        )


def _refuse_other_servers(header: Header) -> None:
    """A home that is made anew has servers of its own, and blobs where the backup has them."""
    names = ["NSML_NATS_URL", "NSML_POSTGRES_URL", *([] if header.blobs else ["NSML_BLOBS_URL"])]
    for name in names:
        if os.environ.get(name):
            raise Refused(f"{name} is set, and a backup makes a home of its own: unset it.")
