"""Datasets: the data that sessions read."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nsml_client import competition as competitions
from nsml_client import names, trees
from nsml_client.competition import Competition, check
from nsml_client.modes import M, Noun, operation
from nsml_client.trees import Progress
from nsml_core.errors import Invalid
from nsml_protos import dataset_pb2
from nsml_protos.dataset_pb2 import Dataset, Revision

if TYPE_CHECKING:  # it comes with grpcio, which only a push needs
    from nsml_core.blobs.scan import Found, Ignore


@dataclass(frozen=True)
class Pushed:
    """What came of a push."""

    name: str
    revision: Revision
    unchanged: bool
    """Whether the newest revision had this content already."""

    stored_bytes: int
    """What it added to the store."""

    def __str__(self) -> str:
        return f"{self.name}@{self.revision.number}"


@dataclass(frozen=True)
class Pulled:
    """What was brought here."""

    name: str
    revision: Revision
    path: Path

    def __str__(self) -> str:
        return f"{self.name}@{self.revision.number}"


class Datasets(Noun[M]):
    """`client.datasets`."""

    @operation
    async def push(  # noqa: PLR0913 - what can be said of a push
        self,
        name: str,
        folder: Path | str,
        *,
        private: bool | None = None,
        description: str | None = None,
        message: str = "",
        ignore: "Ignore | None" = None,
        competition: Competition | None = None,
        progress: Progress | None = None,
    ) -> Pushed:
        """Push a folder as a dataset's next revision; only what is new in it is sent.

        A push that broke off is taken up again by the next. `ignore` takes a path in the folder and
        whether it is a directory, and says whether to leave it out. With a `competition`, its test
        split and its evaluation are kept apart from what sessions read.

        Raises:
            Invalid: The name will not do, or the folder is empty.
            NotFound: There is no such folder.
            NotPermitted: The dataset is somebody else's.
        """
        wanted, root = _whole(name, "A push makes the next revision by itself"), Path(folder)
        splits = None
        if competition is not None:
            await self._calls.aside(partial(check, root, competition))
            ignore = _without(root, competition, ignore)
            splits = await competitions.push(self._calls, root, competition, progress)
        tree = await trees.push(self._calls, root, ignore, _check_content, progress)
        request = dataset_pb2.PushRequest(
            name=wanted,
            tree=tree.id,
            message=message,
            private=private,
            description=description,
            splits=splits,
        )
        reply = await self._calls.call("Datasets/Push", request, dataset_pb2.PushReply)
        return Pushed(wanted, reply.revision, reply.unchanged, tree.stored_bytes)

    @operation
    async def ls(self, pattern: str = "", *, at: names.At = "") -> list[Dataset]:
        """Return the datasets that you may use: those that match, with * and ?, or all."""
        then = names.then(at)
        request = dataset_pb2.ListDatasetsRequest(pattern=pattern, at_us=then.time_us)
        reply = await self._calls.call("Datasets/List", request, dataset_pb2.ListDatasetsReply)
        return list(reply.datasets)

    @operation
    async def get(self, name: str) -> Dataset:
        """Return a dataset with its revisions.

        Raises:
            NotFound: There is none, or it is private and somebody else's.
        """
        ref = dataset_pb2.DatasetRef(name=names.dataset(name).name)
        return await self._calls.call("Datasets/Get", ref, Dataset)

    @operation
    async def pull(
        self,
        name: str,
        path: Path | str = "",
        *,
        force: bool = False,
        progress: Progress | None = None,
    ) -> Pulled:
        """Bring NAME or NAME@REVISION here, into `path` or ./NAME.

        Raises:
            NotFound: There is no such dataset or revision.
            Refused: There is something already; with force it is replaced.
            Damaged: What the store has is not what was pushed.
        """
        wanted = names.dataset(name)
        request = dataset_pb2.ResolveRequest(dataset=str(wanted))
        found = await self._calls.call("Datasets/Resolve", request, dataset_pb2.ResolveReply)
        tree, target = found.revision.tree, Path(path or wanted.name)
        await trees.pull(self._calls, tree, target, force=force, progress=progress)
        return Pulled(wanted.name, found.revision, target)

    @operation
    async def rm(self, name: str) -> None:
        """Remove a dataset and all its revisions; sessions that read it keep their record of it."""
        ref = dataset_pb2.DatasetRef(name=_whole(name, "A revision stays as long as its dataset"))
        await self._calls.call("Datasets/Remove", ref, Dataset)


def _without(root: Path, competition: Competition, ignore: "Ignore | None") -> "Ignore":
    """Leave out what is kept apart, and what was to be left out anyway."""

    def left_out(path: str, is_folder: bool) -> bool:  # noqa: FBT001 - as a walk asks
        is_ignored = ignore is not None and ignore(path, is_folder)
        return is_ignored or competition.is_kept(root, path)

    return left_out


def _whole(name: str, why: str) -> str:
    wanted = names.dataset(name)
    if wanted.revision is not None:
        raise Invalid(f"{why}: leave out @{wanted.revision}.")
    return wanted.name


def _check_content(found: "Sequence[Found]") -> None:
    if not found:
        raise Invalid("The folder is empty: a dataset has at least one file.")
