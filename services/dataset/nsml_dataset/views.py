"""What may be seen of datasets."""

from datetime import UTC

from nsml_core.past import check_begun, moment, states_at
from nsml_core.tables import Column, StateTable, like, message_rows
from nsml_core.views import Schema, View
from nsml_dataset.decide import may_read
from nsml_dataset.state import DATASET
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
SCHEMA = Schema("dataset", ("nsml.dataset.>",), (DATASETS,), version=2)


async def list_datasets(view: View, reader: str, pattern: str) -> list[Dataset]:
    """Return the datasets that somebody may read, by name; `*` and `?` are wildcards."""
    rows = await view.pool.fetch(
        "select state from dataset.dataset "
        "where not deleted and (not private or owner = $1) and key like $2 order by lower(key)",
        reader,
        like(pattern or "*"),
    )
    return message_rows(rows, Dataset)


async def list_datasets_at(view: View, reader: str, pattern: str, time_us: int) -> list[Dataset]:
    """Return the datasets that somebody could read at a time, as they stood then, by name.

    What has been made private since is its owner's alone, also as it was.
    """
    time = moment(time_us)
    await check_begun(view, time)
    rows = await view.pool.fetch(
        "select state from dataset.dataset "
        "where key like $2 and (not private or owner = $1) order by lower(key)",
        reader,
        like(pattern or "*"),
    )
    known = {one.name: one for one in message_rows(rows, Dataset)}
    changed = {name: one for name, one in known.items() if one.updated.ToDatetime(UTC) > time}
    then = await states_at(view, DATASET, changed, time)
    stood = [then.get(name) if name in changed else one for name, one in known.items()]
    return [one for one in stood if one is not None and may_read(one, reader)]
