"""Injuries to the log's files: does a start refuse, or the walk over the log name it."""

import contextlib
import random
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

from nsml_core import log, settings
from nsml_core.database import Pool, connect_pool
from nsml_core.entry import Record
from nsml_core.errors import Error
from nsml_core.follow import Follower
from nsml_core.log import STREAM, Log
from nsml_core.settings import SERVICES, Settings
from nsml_core.verify import Verification
from nsml_core.views import View
from nsml_local import home, servers
from tests.faults.injuries import Injury, choose
from tests.faults.verdict import Verdict
from tests.folders import remove
from tests.services.world import SCHEDULER, World, hold


@dataclass(frozen=True)
class Original:
    """A log that is at rest, what it holds, and the database that knows it."""

    folder: Path
    entries: list[Record]
    config: Settings

    def files(self) -> list[Path]:
        """The files of its store."""
        return sorted(path for path in (self.folder / "nats").rglob("*") if path.is_file())


@asynccontextmanager
async def at_rest(sessions: int = 12) -> AsyncIterator[Original]:
    """A log to which all services have written, its server stopped, its database running."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="nsml-"))
        stack.callback(remove, folder)
        postgres_url = stack.enter_context(servers.postgres(folder))
        with servers.nats_server(folder):
            config = replace(settings_of(folder), postgres_url=postgres_url)
            await live(config, folder, sessions)
            async with log.connect(config, "test") as connected:
                entries = await _all(connected)
        yield Original(folder, entries, config)


def settings_of(folder: Path) -> Settings:
    """Settings that point to the servers of a folder."""
    at = home.find(folder)
    assert at is not None
    found = settings.read({"NSML_HOME": str(folder)})
    return replace(found, nats_url=at.nats_url, nats_monitor_url=at.monitor_url)


async def live(config: Settings, folder: Path, sessions: int) -> None:
    """Let there be a history: sessions that waited, ran, saved, and ended."""
    world = World(config)
    try:
        await world.start("identity", "dataset", "ledger", "scheduler", "session")
        await world.push("mnist", await world.stored(folder / "data", "content"))
        for number in range(sessions):
            name = (await world.run(args=[str(number) * 400])).name
            await world.ledger(SCHEDULER).PlaceHold(hold(name))
            ref = await world.started(name)
            await world.ended(ref, exit_code=number % 2)
        for floor in world.floors.values():
            await floor.view.see_all()
    finally:
        await world.close()


async def _all(connected: Log) -> list[Record]:
    newest = await connected.last_sequence()
    found: list[Record] = []
    follower = Follower(connected.client, STREAM, ["nsml.>"])
    async with contextlib.aclosing(follower.batches(0)) as batches:
        while newest and (not found or found[-1].sequence < newest):
            found += await anext(batches)
    return found


async def injure(original: Original, chance: random.Random) -> Verdict:
    """Do one thing to a copy of the store, start its server, and ask the platform about it."""
    harm = choose(chance, original.folder, original.files())
    folder = Path(tempfile.mkdtemp(prefix="nsml-"))
    try:
        shutil.copytree(original.folder / "nats", folder / "nats")
        harm.do(folder)
        return await _judge(original, folder, harm)
    finally:
        remove(folder)


async def _judge(original: Original, folder: Path, harm: Injury) -> Verdict:
    try:
        with servers.nats_server(folder):
            config = replace(settings_of(folder), postgres_url=original.config.postgres_url)
            words = await look(config)
            if words:
                return Verdict(harm, "named", words)
            async with log.connect(config, "test") as connected:
                is_whole = await _all(connected) == original.entries
            return Verdict(harm, "healed" if is_whole else "missed")
    except Error as error:
        return Verdict(harm, "named", error.sentence)


async def look(config: Settings) -> str:
    """Start every service's view, walk over every service's entries, and return what is found."""
    async with log.connect(config, "test") as connected, connect_pool(config) as pool:
        return "; ".join([word async for word in _findings(connected, pool)])


async def _findings(connected: Log, pool: Pool) -> AsyncIterator[str]:
    for service in SERVICES:
        view = View(pool, import_module(f"nsml_{service}.views").SCHEMA, connected)
        await view.open()
        await view.catch_up()
        walk = Verification(connected, pool, service, view.position)
        async for reply in walk.walk():
            for one in reply.findings:
                yield f"{one.subject} at {one.sequence}: {one.what}"
