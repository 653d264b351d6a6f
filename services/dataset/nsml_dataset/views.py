"""What may be seen of datasets."""

from collections.abc import Sequence
from datetime import UTC

from nsml_core.past import check_begun, moment, states_at
from nsml_core.tables import Column, StateTable, like, message_rows
from nsml_core.views import Schema, View
from nsml_dataset.board import BOARD
from nsml_dataset.contestant import CONTESTANT, pending
from nsml_dataset.decide import is_there
from nsml_dataset.state import DATASET
from nsml_protos.board_pb2 import Board, Contestant
from nsml_protos.dataset_pb2 import Dataset

DATASETS = StateTable(
    "dataset",
    DATASET,
    {
        "owner": Column("text", lambda dataset: dataset.owner),
        "private": Column("boolean", lambda dataset: dataset.private),
        "deleted": Column("boolean", lambda dataset: dataset.deleted),
    },
)
BOARDS = StateTable(
    "board",
    BOARD,
    {
        "name": Column("text", lambda board: board.name),
        "dataset": Column("text", lambda board: board.terms.dataset),
    },
    indexes=("dataset",),
)
CONTESTANTS = StateTable(
    "contestant",
    CONTESTANT,
    {
        "board": Column("text", lambda one: one.board),
        "owner": Column("text", lambda one: one.owner),
        "pending": Column("boolean", lambda one: bool(pending([one]))),
    },
    indexes=("board", "owner", "using btree (key) where pending"),
)
SCHEMA = Schema("dataset", ("nsml.dataset.>",), (DATASETS, BOARDS, CONTESTANTS), version=3)


Readers = Sequence[str] | None
"""Whose private datasets are among those found; None: everybody's."""

_READ = "(not private or $1::text[] is null or owner = any($1))"


async def list_datasets(view: View, readers: Readers, pattern: str) -> list[Dataset]:
    """Return the datasets that somebody may read, by name; `*` and `?` are wildcards."""
    rows = await view.pool.fetch(
        f"select state from dataset.dataset where not deleted and {_READ} and key like $2 "
        "order by lower(key)",
        readers,
        like(pattern or "*"),
    )
    return message_rows(rows, Dataset)


async def list_datasets_at(
    view: View, readers: Readers, pattern: str, time_us: int
) -> list[Dataset]:
    """Return the datasets that somebody could read at a time, as they stood then, by name.

    What has been made private since is its owner's alone, also as it was.
    """
    time = moment(time_us)
    await check_begun(view, time)
    rows = await view.pool.fetch(
        f"select state from dataset.dataset where key like $2 and {_READ} order by lower(key)",
        readers,
        like(pattern or "*"),
    )
    known = {one.name: one for one in message_rows(rows, Dataset)}
    changed = {name: one for name, one in known.items() if one.updated.ToDatetime(UTC) > time}
    then = await states_at(view, DATASET, changed, time)
    stood = [then.get(name) if name in changed else one for name, one in known.items()]
    return [one for one in stood if one is not None and is_there(one) and _is_read(one, readers)]


def _is_read(one: Dataset, readers: Readers) -> bool:
    return not one.private or readers is None or one.owner in readers


async def boards_like(view: View, pattern: str) -> list[Board]:
    """Return all boards, by name; `*` and `?` are wildcards."""
    rows = await view.pool.fetch(
        "select state from dataset.board where name like $1 order by lower(name)",
        like(pattern or "*"),
    )
    return message_rows(rows, Board)


async def boards_on(view: View, dataset: str) -> list[Board]:
    """Return the boards on a dataset."""
    rows = await view.pool.fetch("select state from dataset.board where dataset = $1", dataset)
    return message_rows(rows, Board)


async def contestants_of(view: View, board: str) -> list[Contestant]:
    """Return everybody who has submitted to a board."""
    rows = await view.pool.fetch("select state from dataset.contestant where board = $1", board)
    return message_rows(rows, Contestant)


async def contestants_by(view: View, owner: str) -> list[Contestant]:
    """Return what somebody has submitted, to each board."""
    rows = await view.pool.fetch("select state from dataset.contestant where owner = $1", owner)
    return message_rows(rows, Contestant)


async def contestants_pending(view: View) -> list[Contestant]:
    """Return those whose submissions have not all ended."""
    return message_rows(
        await view.pool.fetch("select state from dataset.contestant where pending"), Contestant
    )
