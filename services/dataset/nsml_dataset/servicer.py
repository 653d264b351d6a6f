"""The gRPC face of datasets."""

import asyncio
from typing import Any

from nsml_core.authority import circle, sees_all
from nsml_core.blobs.store import Store as BlobStore
from nsml_core.blobs.tree import parse_tree_id
from nsml_core.calls import current
from nsml_core.directory import Directory
from nsml_core.errors import Exhausted
from nsml_core.storage import Storage
from nsml_core.store import Store
from nsml_core.views import View
from nsml_dataset import checks, decide, seen, whose
from nsml_dataset.hidden import Hidden
from nsml_dataset.views import list_datasets, list_datasets_at
from nsml_protos.dataset_pb2 import (
    Dataset,
    DatasetRef,
    ListDatasetsReply,
    ListDatasetsRequest,
    PushReply,
    PushRequest,
    ResolveReply,
    ResolveRequest,
    Revision,
    Splits,
)
from nsml_protos.dataset_pb2_grpc import DatasetsServicer


class Datasets(DatasetsServicer):
    """Names trees of files, and says who may read them."""

    def __init__(
        self,
        datasets: Store[Dataset],
        view: View,
        blobs: BlobStore,
        directory: Directory,
        storage: Storage,
        hidden: Hidden,
    ) -> None:
        self._datasets = datasets
        self._view = view
        self._blobs = blobs
        self._storage = storage
        self._directory = directory
        self._hidden = hidden

    async def Push(self, request: PushRequest, context: Any) -> PushReply:
        call = current()
        decide.check_name(request.name)
        await self._hidden.check([parse_tree_id(tree) for tree in _trees(request)])
        root = await asyncio.to_thread(self._blobs.commit, request.tree)
        revision = Revision(
            tree=root.id,
            files=root.files,
            bytes=root.bytes,
            message=request.message,
            splits=await self._splits(request),
            pushed_by=call.caller.name,
        )
        known = await self._datasets.get(request.name)
        owner = known.owner if decide.is_there(known) else call.owner
        await self._check_room(known, owner, revision)
        after = await self._datasets.decide(
            request.name,
            call.context(),
            lambda state: decide.push(
                _theirs(state),
                name=request.name,
                owner=call.owner,
                revision=revision,
                private=request.private if request.HasField("private") else None,
                description=request.description if request.HasField("description") else None,
            ),
        )
        await self._hidden.hide(request.name, after.revisions[-1])
        shown = seen.dataset(after)
        unchanged = after.last_number == known.last_number
        return PushReply(dataset=shown, revision=shown.revisions[-1], unchanged=unchanged)

    async def _check_room(self, known: Dataset, owner: str, revision: Revision) -> None:
        """Refuse what its owner may not keep; what they keep already takes no room."""
        if all(revision.tree != other.tree for other in known.revisions):
            refusal = await self._storage.refusal(owner, revision.bytes)
            if refusal:
                raise Exhausted(refusal)

    async def _splits(self, request: PushRequest) -> Splits | None:
        """Return what a competition keeps apart, each part of it stored and counted."""
        if not request.HasField("splits"):
            return None
        splits = Splits()
        splits.CopyFrom(request.splits)
        for part in checks.parts(splits).values():
            if part.tree:
                root = await asyncio.to_thread(self._blobs.commit, part.tree)
                part.files, part.bytes = root.files, root.bytes
        return splits

    async def List(self, request: ListDatasetsRequest, context: Any) -> ListDatasetsReply:
        caller = current().caller
        readers = None if sees_all(caller) else circle(caller)
        if request.at_us:
            await self._view.see_all()
            found = await list_datasets_at(self._view, readers, request.pattern, request.at_us)
        else:
            found = await list_datasets(self._view, readers, request.pattern)
        return ListDatasetsReply(datasets=map(seen.dataset, found))

    async def Get(self, request: DatasetRef, context: Any) -> Dataset:
        return seen.dataset(await self._readable(request.name))

    async def Resolve(self, request: ResolveRequest, context: Any) -> ResolveReply:
        name = request.dataset.partition("@")[0]
        if current().caller.kind == "service":
            state = await self._known(name)
            if not whose.is_read_by(self._directory.speaker(request.on_behalf_of), state):
                raise decide.not_found(name)
        else:
            state = await self._readable(name)
        revision = decide.resolve(state, request.dataset)
        return ResolveReply(dataset=seen.dataset(state), revision=seen.revision(revision))

    async def Remove(self, request: DatasetRef, context: Any) -> Dataset:
        call = current()
        state = await self._known(request.name)
        if state.deleted and call.may(call.need, state.owner):
            return seen.dataset(state)  # asked again: the first answer may have been lost
        await self._readable(request.name)
        after = await self._datasets.decide(request.name, call.context(), decide.remove)
        return seen.dataset(after)

    async def _readable(self, name: str) -> Dataset:
        """Return a dataset with which the caller may do what they ask for."""
        state = await self._known(name)
        if not decide.is_there(state):
            raise decide.not_found(name)
        current().require(state.owner, decide.not_found(name), private=state.private)
        return state

    async def _known(self, name: str) -> Dataset:
        decide.check_name(name)
        return await self._datasets.get(name)


def _trees(request: PushRequest) -> list[str]:
    """Return all that a push names."""
    parts = checks.parts(request.splits).values()
    return [request.tree, *(part.tree for part in parts if part.tree)]


def _theirs(state: Dataset) -> Dataset:
    """Return a dataset to which the caller may push: theirs, or none yet."""
    if decide.is_there(state):
        whose.check_changes(state.name, state)
    return state
