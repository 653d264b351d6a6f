"""`nsml admin log restore`: a new store for the log, made while nothing of the home runs.

nats.new/     being made; deleted and made anew when a restore was broken off
nats.ready/   made, and not in its place yet; only a cut between two renames leaves it
nats.before-restore-<time>/   what was there before, as it was
"""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from nsml_core import restore
from nsml_core.errors import NotFound, Refused, Unavailable
from nsml_core.restore import Plan, Source
from nsml_core.settings import make_run_dir, run_dir
from nsml_local import embedded, home, processes, servers
from nsml_local.home import Home, sync_folder
from nsml_local.programs import accepts
from nsml_local.readiness import Progress

_ROOM = 3
"""Times its bytes: an entry has headers in the store, and blocks are written before they fit."""

Bar = Callable[[int, int], None]
"""Shows how much is done of how much, in bytes."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did."""

    plan: Plan | None
    """None: an earlier one, which was broken off, was brought to its end."""

    aside: Path | None
    """The store that was there before; None if there was none, or it stayed."""

    beyond: Path | None
    """The file with the entries that lie beyond a gap, if there are any."""


def restore_log(folder: Path, progress: Progress, bar: Bar, before: int = 0) -> Restored:
    """Make the log whole from what is left of it and from the archives."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    with at_rest(folder, progress) as at:
        if at.settings.nats_url:
            raise Refused(
                "NSML_NATS_URL names a log's server that is not this home's: who runs it has to "
                "restore it."
            )
        was_broken_off = _finish(at, stamp)
        with postgres_of(at) as postgres_url:
            progress("Reading what is left of the log, and the archives")
            try:
                return _restore(at, postgres_url, stamp, bar, before)
            except Refused:
                if not was_broken_off:
                    raise
                return Restored(None, None, None)


@contextmanager
def at_rest(folder: Path, progress: Progress) -> Iterator[Home]:
    """A home of which nothing runs, and nothing is started by others while the block runs."""
    found = home.find(folder)
    if found is None:
        raise NotFound(f"{folder} is no NSML home: set NSML_HOME to the one that you mean.")
    with embedded.locked(folder, progress):
        if processes.belonging(folder):
            raise Refused("NSML runs: `nsml down` first, and nothing was changed.")
        embedded.clear_leftovers(found)
        make_run_dir(folder)
        try:
            yield home.with_free_ports(found)
        finally:
            shutil.rmtree(found.run, ignore_errors=True)


@contextmanager
def postgres_of(at: Home) -> Iterator[str]:
    """The views' database, started for as long as the block runs unless it is somebody else's."""
    if at.settings.postgres_url:
        yield at.settings.postgres_url
        return
    if not (at.postgres_data / "PG_VERSION").exists():
        raise Refused(
            f"{at.postgres_data} is gone, and the archives with it: if the log is whole, `nsml up` "
            "makes them anew from it; if not, `nsml admin restore` a backup into a new home."
        )
    with servers.running(servers.postgres_program(at), at):
        yield at.postgres_url


def _restore(at: Home, postgres_url: str, stamp: str, bar: Bar, before: int) -> Restored:
    beyond = at.folder / f"log.beyond-{stamp}.jsonl"
    aside = None
    with ExitStack() as stack:
        source = Source(_old_log(stack, at), postgres_url)
        plan = asyncio.run(restore.plan(source, before))
        if plan.must_fill:
            _fill(at, source, plan, beyond, bar)
        elif plan.union.beyond:
            asyncio.run(restore.keep_beyond(source, plan, beyond))
    if plan.must_fill:
        aside = _swap(at, stamp)
    asyncio.run(restore.fold_anew(postgres_url, plan.again))
    return Restored(plan, aside, beyond if plan.union.beyond else None)


def _old_log(stack: ExitStack, at: Home) -> str:
    """Start NATS on the old store; its URL, or nothing if there is none that it can open."""
    if not at.nats_data.exists():
        return ""
    program = servers.nats_program(at)
    # It never calls itself healthy with a store that it could not read all of.
    ready = replace(program, is_ready=partial(accepts, program.endpoint))
    try:
        stack.enter_context(servers.running(ready, at))
    except Unavailable:
        return ""
    return at.nats_url


def _fill(at: Home, source: Source, plan: Plan, beyond: Path, bar: Bar) -> None:
    draft = at.folder / "nats.new"
    shutil.rmtree(draft, ignore_errors=True)
    total = plan.union.size
    home.check_room(at.folder, "A second log", _ROOM * total)
    try:
        with servers.nats_server(draft, of=at.folder) as url:
            asyncio.run(restore.fill(source, plan, url, beyond, lambda done: bar(done, total)))
        (draft / "nats").rename(at.restored_nats_data)
        sync_folder(at.folder)
    finally:
        shutil.rmtree(run_dir(draft), ignore_errors=True)
        shutil.rmtree(draft, ignore_errors=True)


def _finish(at: Home, stamp: str) -> bool:
    if not at.restored_nats_data.exists():
        return False
    _swap(at, stamp)
    return True


def _swap(at: Home, stamp: str) -> Path | None:
    aside = None
    if at.nats_data.exists():
        aside = at.nats_data.rename(at.folder / f"nats.before-restore-{stamp}")
    at.restored_nats_data.rename(at.nats_data)
    sync_folder(at.folder)
    return aside
