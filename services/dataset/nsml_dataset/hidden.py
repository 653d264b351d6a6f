"""Who may read the parts of competitions that are kept apart: by the roots of their trees.

A blob is read by its id, and the ids of a tree's content stand in its root alone; so whoever does
not get the root gets nothing of it. For whom a root is hidden it is not in the store. Who sends the
same root has the same content, and so shows that nothing of it is hidden from them.
"""

from collections.abc import Iterable, Sequence

from nsml_core.authority import circle, may
from nsml_core.blobs.tree import parse_tree_id
from nsml_core.caller import Caller
from nsml_core.calls import current
from nsml_core.clients import ask
from nsml_core.database import Pool, make_tables
from nsml_core.directory import Directory
from nsml_core.errors import NotFound
from nsml_core.store import Store
from nsml_core.views import View
from nsml_dataset import board as boards
from nsml_dataset import checks
from nsml_dataset.views import list_datasets
from nsml_protos.board_pb2 import Board
from nsml_protos.dataset_pb2 import Dataset, Revision
from nsml_protos.options_pb2 import Need
from nsml_protos.session_pb2 import SessionRef
from nsml_protos.session_pb2_grpc import SessionsStub

_TREE = (
    "create table if not exists dataset_hidden.tree (root bytea, dataset text, "
    "primary key (root, dataset))"
)
_PROOF = (
    "create table if not exists dataset_hidden.proof (root bytea, owner text, "
    "primary key (root, owner))"
)
_FOUND = (
    "select root, array_agg(dataset) as datasets, array(select owner from dataset_hidden.proof p "
    "where p.root = t.root) as proven from dataset_hidden.tree t where root = any($1) group by root"
)


class Hidden:
    """The tables, and what follows from them for whoever calls."""

    def __init__(
        self,
        view: View,
        datasets: Store[Dataset],
        states: Store[Board],
        directory: Directory,
        sessions: SessionsStub,
    ) -> None:
        self._pool: Pool = view.pool
        self._view = view
        self._datasets = datasets
        self._boards = states
        self._directory = directory
        self._sessions = sessions

    async def open(self) -> None:
        """Make the tables if they are not there, and hide what they do not know of yet."""
        await make_tables(self._pool, "dataset_hidden", _TREE, _PROOF)
        known = await list_datasets(self._view, None, "*")
        shown = _shown(known)
        for one in known:
            for each in one.revisions:
                await self._hide(one.name, _apart(each) - shown)

    async def hide(self, dataset: str, revision: Revision) -> None:
        """Hide what a revision keeps apart; what any dataset shows is not hidden."""
        if apart := _apart(revision):
            await self._view.see_all()
            await self._hide(dataset, apart - _shown(await list_datasets(self._view, None, "*")))
        shown = parse_tree_id(revision.tree)
        await self._pool.execute("delete from dataset_hidden.tree where root = $1", shown)

    async def _hide(self, dataset: str, trees: Iterable[str]) -> None:
        await self._pool.executemany(
            "insert into dataset_hidden.tree values ($1, $2) on conflict do nothing",
            [(parse_tree_id(tree), dataset) for tree in trees],
        )

    async def prove(self, roots: Sequence[bytes]) -> None:
        """Note that the caller has sent these blobs, as far as any of them is hidden."""
        caller = current().caller
        owners = {caller.name, current().owner} if caller.kind == "user" else {_owner(caller)}
        await self._pool.execute(
            "insert into dataset_hidden.proof select distinct root, owner from "
            "dataset_hidden.tree, unnest($2::text[]) owner where root = any($1) "
            "on conflict do nothing",
            roots,
            sorted(owners),
        )

    async def check(self, ids: Sequence[bytes]) -> None:
        """Refuse what is hidden from the caller, in the words of what is not there."""
        for root in await self.among(ids):
            raise NotFound(f"Blob {root.hex()[:12]} is not in the store.")

    async def among(self, ids: Sequence[bytes]) -> set[bytes]:
        """Return which of these are hidden from the caller."""
        if current().caller.kind == "service":
            return set()
        rows = await self._pool.fetch(_FOUND, ids)
        return {bytes(root) for root, *of in rows if not await self._may_read(*map(frozenset, of))}

    async def _may_read(self, datasets: frozenset[str], proven: frozenset[str]) -> bool:
        """Tell whether the caller may read what these datasets hide, and these have shown."""
        caller = current().caller
        if caller.kind == "runner":
            if await self._judged_on(caller) in datasets:
                return True
            caller = self._directory.speaker(_owner(caller))
        if not proven.isdisjoint(circle(caller)):
            return True
        owners = [(await self._datasets.get(name)).owner for name in datasets]
        return any(may(caller, Need.CHANGE, owner) for owner in owners)

    async def _judged_on(self, runner: Caller) -> str | None:
        """Return the dataset of the board that a runner's session is for, if it is for one."""
        session = await ask(self._sessions.Get(SessionRef(name=runner.name)))
        purpose = session.spec.purpose
        if not purpose.board:
            return None
        return (await self._boards.get(boards.key(purpose.board))).terms.dataset


def _owner(runner: Caller) -> str:
    """Return whose session a runner speaks for."""
    return runner.name.partition("/")[0]


def _shown(known: Iterable[Dataset]) -> set[str]:
    """Return the trees that datasets show to whoever may read them."""
    return {each.tree for one in known for each in one.revisions}


def _apart(revision: Revision) -> set[str]:
    """Return the trees of a revision that nobody is to read; the loader is among the data, too."""
    parts = checks.parts(revision.splits)
    return {part.tree for name, part in parts.items() if name != "loader" and part.tree}
