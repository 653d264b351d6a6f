"""Brings together what user code needs: its files, its data and its environment, side by side."""

import asyncio
import os
import shutil
import stat
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from nsml_core.errors import Damaged, Invalid, NotFound
from nsml_protos import session_pb2
from nsml_runner.ground import Footing, Ground, Prepared
from nsml_runner.store import Store
from nsml_runner.workdir import WorkDir

Lay = Callable[[], Coroutine[Any, Any, Path]]
"""Lays out the folder of the first dataset, in place of its tree."""


class Preparation:
    """Trees lie once on a node, read-only, for all its sessions."""

    def __init__(
        self,
        work: WorkDir,
        store: Store,
        ground: Ground,
        say: Callable[[str], None],
    ) -> None:
        self._work = work
        self._store = store
        self._ground = ground
        self._say = say

    async def run(self, session: session_pb2.Session, lay: Lay | None = None) -> Prepared:
        """Bring all of it; what a board lays out comes last, when no build runs any more."""
        spec = session.spec
        mounts = spec.datasets[1:] if lay else spec.datasets
        datasets = [self._dataset(mount) for mount in mounts]
        footing, _, *folders = await together(self._code(session), self._input(spec), *datasets)
        names = (mount.dataset for mount in mounts)
        found = dict(zip(names, folders, strict=True))
        laid = {spec.datasets[0].dataset: await lay()} if lay else {}
        return Prepared(footing, laid | found)

    async def _code(self, session: session_pb2.Session) -> Footing:
        """Code is copied: a script may write beside itself."""
        spec = session.spec
        tree = spec.code_tree
        folder = self._store.here(tree) or await self._store.materialise(tree)
        copy_writable(folder, self._work.code)
        if not spec.HasField("job"):
            check_entry(self._work.code, spec.entry)
        return await self._ground.prepare(session)

    async def _input(self, spec: session_pb2.Spec) -> None:
        """Bring a copy: the job may write into it."""
        if not spec.job.HasField("input"):
            return
        point = spec.job.input
        try:
            await self._store.pull(point.tree, self._work.input)
        except (Damaged, NotFound):
            what = f"Checkpoint {point.checkpoint} of {point.session}"
            raise Damaged(f"{what} is damaged in the store: begin with another.") from None

    async def _dataset(self, mount: session_pb2.Mount) -> Path:
        link = self._work.data / mount.dataset
        folder = await asyncio.to_thread(self._store.here, mount.tree)
        if folder is None:
            self._say(f"Fetching dataset {mount.dataset}@{mount.revision}")
            folder = await self._store.materialise(mount.tree)
        link.symlink_to(folder, target_is_directory=True)
        return folder


def check_entry(code: Path, name: str) -> None:
    entry = (code / name).resolve()
    if not entry.is_relative_to(code.resolve()) or not entry.is_file():
        raise Invalid(f"The entry {name} is not a file in the code folder.")


def copy_writable(source: Path, target: Path) -> None:
    """Copy code; a Dockerfile copies it on, with its modes, for whoever runs there."""
    for folder, folders, files in os.walk(source):
        below = target / Path(folder).relative_to(source)
        below.mkdir(exist_ok=True)
        below.chmod(0o755)
        for name in files + [name for name in folders if Path(folder, name).is_symlink()]:
            _copy_one(Path(folder, name), below / name)


def _copy_one(source: Path, target: Path) -> None:
    if source.is_symlink():
        target.symlink_to(source.readlink())
        return
    shutil.copyfile(source, target)
    target.chmod(0o755 if source.stat().st_mode & stat.S_IXUSR else 0o644)


async def together(*parts: Coroutine[Any, Any, Any]) -> list[Any]:
    """Run all at once; when one fails the others are called off, and its error is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part) for part in parts]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
