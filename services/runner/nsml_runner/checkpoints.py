"""Checkpoints of the user's code: taken over at once, stored behind its back, found again."""

import asyncio
import itertools
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nsml_core.errors import Damaged, Error, Invalid, NotFound
from nsml_protos import session_pb2
from nsml_runner.attempts import Attempts
from nsml_runner.messages import Save
from nsml_runner.store import Store
from nsml_runner.workdir import WorkDir

NAME_LENGTH_MAX = 100


@dataclass(slots=True)
class Saved:
    """A checkpoint that this attempt saved, while it is still here."""

    number: int
    name: str
    folder: Path
    step: float | None
    summary: dict[str, float]
    points: dict[str, int]
    stored: bool = False
    waits: bool = False
    """It was said that it cannot be stored yet."""


class Checkpoints:
    """Those of one attempt; `store` runs beside the user's code."""

    def __init__(
        self, work: WorkDir, store: Store, attempts: Attempts, say: Callable[[str], None]
    ) -> None:
        self.lost: list[str] = []
        """Names of those that could not be stored, and never will be."""
        self._work = work
        self._store = store
        self._attempts = attempts
        self._say = say
        self._number = itertools.count(1)
        self._here: dict[str, Saved] = {}
        self._start: session_pb2.Checkpoint | None = None
        self._start_owner = ""
        self._start_here: Path | None = None  # where it lies until it is asked for
        self._waiting: asyncio.Queue[Saved] = asyncio.Queue()
        # A folder that is being copied must not be removed meanwhile.
        self._in_use = asyncio.Lock()

    def take(self, save: Save, summary: dict[str, float], points: dict[str, int]) -> None:
        """Move a folder out of the user's reach; it is stored in its turn."""
        name = save.name
        if not is_name(name):
            raise Invalid(f"{name[:200]!r} cannot name a checkpoint.")
        number = next(self._number)
        folder = self._work.saved / str(number)
        self._work.take_over(self._work.outside(save.path), folder)
        saved = Saved(number, name, folder, save.step, summary, points)
        self._here.pop(name, None)
        self._here[name] = saved
        self._waiting.put_nowait(saved)

    async def store(self) -> None:
        while True:
            saved = await self._waiting.get()
            try:
                if not self._attempts.rank:  # of a gang, that of rank 0 counts for all
                    await self._store_one(saved)
            except (Error, OSError) as error:
                self.lost.append(saved.name)
                self._say(f"Checkpoint {saved.name} could not be stored: {error}")
            saved.stored = True
            await self._forget_old()
            self._waiting.task_done()

    async def wait_stored(self) -> None:
        await self._waiting.join()

    async def _store_one(self, saved: Saved) -> None:
        tree = await self._store.push(saved.folder, partial(self._say_waits, saved))
        checkpoint = session_pb2.Checkpoint(
            number=saved.number,
            name=saved.name,
            tree=tree.id,
            files=tree.files,
            bytes=tree.bytes,
            step=saved.step,
            summary=saved.summary,
            points=saved.points,
        )
        await self._attempts.save_checkpoint(checkpoint)
        if self._here.get(saved.name) is not saved:
            # A newer one of the same name has taken its place.
            await asyncio.to_thread(shutil.rmtree, saved.folder, ignore_errors=True)

    def _say_waits(self, saved: Saved, error: Error) -> None:
        """Say once why it is not stored yet, such as a disk that is full."""
        if not saved.waits:
            saved.waits = True
            self._say(f"Checkpoint {saved.name} waits to be stored: {error.sentence}")

    async def _forget_old(self) -> None:
        """Keep the newest here, to be loaded at once; older ones that are stored can be fetched."""
        async with self._in_use:
            for saved in list(self._here.values())[:-1]:
                if saved.stored:
                    del self._here[saved.name]
                    await asyncio.to_thread(shutil.rmtree, saved.folder, ignore_errors=True)

    async def find(self, name: str | None, session: str | None, *, start: bool = False) -> Path:
        """Bring a checkpoint here, the latest without a name; the folder is the asker's own."""
        found = await self._find(name, session, start=start)
        await asyncio.to_thread(self._work.give, found)
        return self._work.inside(found)

    async def _find(self, name: str | None, session: str | None, *, start: bool) -> Path:
        target = self._work.loaded / str(next(self._number))
        if start and self._start is not None and name in {None, self._start.name}:
            await self._bring(self._start, self._start_owner, target)
            return target
        async with self._in_use:
            saved = self._saved_here(name) if session in (None, self._attempts.session) else None
            if saved is not None:
                await asyncio.to_thread(shutil.copytree, saved.folder, target, symlinks=True)
                return target
        found = await self._attempts.find_checkpoint(session or "", name or "")
        await self._bring(found, session or self._attempts.session, target)
        return target

    async def _bring(self, found: session_pb2.Checkpoint, owner: str, target: Path) -> None:
        """Without fetching, if it is the one that was fetched before the code started."""
        here, start = self._start_here, self._start
        if here is not None and start is not None and start.tree == found.tree:
            self._start_here = None
            here.rename(target)
        else:
            await self._pull(found, owner, target)

    async def fetch_start(self, session: session_pb2.Session) -> None:
        """Bring what it goes on from: damage shows before its code starts, and costs nothing."""
        if not session.HasField("start"):
            return
        self._start, self._start_owner = session.start, _whose(session)
        await self._pull(self._start, self._start_owner, self._work.start)
        self._start_here = self._work.start

    async def _pull(self, point: session_pb2.Checkpoint, owner: str, target: Path) -> None:
        try:
            await self._store.pull(point.tree, target)
        except (Damaged, NotFound):
            raise Damaged(await self._explain(point.name, owner)) from None

    async def _explain(self, name: str, owner: str) -> str:
        """Name a damaged checkpoint, and the one to go on from instead."""
        is_mine = owner == self._attempts.session
        again = f"nsml {'resume' if is_mine else 'fork'} {owner}"
        what = f"Checkpoint {name} of {owner} is damaged in the store"
        try:
            before = await self._attempts.find_checkpoint(owner, before=name)
        except NotFound:
            over = f": `{again} --from-start` starts it over" if is_mine else ""
            return f"{what}, and there is none before it{over}."
        return f"{what}; the one before is {before.name}: `{again} -c {shlex.quote(before.name)}`."

    def _saved_here(self, name: str | None) -> Saved | None:
        if name is not None:
            return self._here.get(name)
        return next(reversed(self._here.values()), None)


def _whose(session: session_pb2.Session) -> str:
    """Return the session that saved what this one starts from."""
    mine = {(point.name, point.tree) for point in session.checkpoints}
    is_mine = (session.start.name, session.start.tree) in mine
    return session.name if is_mine else session.parent.session or session.name


def is_name(name: str) -> bool:
    return 0 < len(name) <= NAME_LENGTH_MAX and name.isprintable() and "/" not in name
