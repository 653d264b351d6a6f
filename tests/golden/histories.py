"""Recorded histories: entries as they were written by a version, and the states they fold to.

To record those of a new version: do everything that decides an event on a platform of its own, then
`python -m tests.golden.histories HOME tests/golden/VERSION`.
"""

import asyncio
import base64
import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict

from nsml_core import log, settings
from nsml_core.decider import Aggregate
from nsml_core.entry import Record
from nsml_dataset.board import BOARD
from nsml_dataset.contestant import CONTESTANT
from nsml_dataset.state import DATASET
from nsml_identity.state import USER
from nsml_ledger.state import BOOK, METER
from nsml_local import home
from nsml_scheduler.state import NODE, WORK
from nsml_scheduler.stints import STINTS
from nsml_scheduler.terms import POLICY
from nsml_session.state import SESSION

FOLDS: tuple[Aggregate[Any], ...] = (
    *(USER, DATASET, BOARD, CONTESTANT, BOOK, METER, NODE, POLICY, WORK, STINTS, SESSION),
)


def folded(records: Iterable[Record]) -> dict[str, Any]:
    """Return the state of every aggregate after these entries, by kind and subject."""
    states: dict[str, Any] = {}
    for record in records:
        entry = record.decode()
        for fold in FOLDS:
            if not record.subject.startswith(f"nsml.{fold.service}."):
                continue
            events = [
                (event, entry.time) for event in entry.events if isinstance(event, fold.events)
            ]
            if not events:
                continue
            name = f"{fold.state.DESCRIPTOR.name} {record.subject}"
            states[name] = fold.fold(states.get(name, fold.state()), events)
    return {name: MessageToDict(state) for name, state in sorted(states.items())}


def read(folder: Path) -> list[Record]:
    """Return the entries that a folder holds."""
    lines = (json.loads(line) for line in (folder / "entries.json").read_text().splitlines())
    return [
        Record(line["sequence"], line["subject"], base64.b64decode(line["data"])) for line in lines
    ]


async def record(where: Path, folder: Path) -> None:
    """Write down all entries of a platform that is up, and what they fold to."""
    at = home.find(where)
    assert at is not None
    known = settings.read({"NSML_HOME": str(where)})
    config = replace(known, nats_url=at.nats_url, nats_monitor_url=at.monitor_url)
    async with log.connect(config, "golden") as connected:
        records = await connected.read("nsml.>")
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps({
            "sequence": one.sequence,
            "subject": one.subject,
            "data": base64.b64encode(one.data).decode(),
        })
        for one in records
    ]  # fmt: skip
    (folder / "entries.json").write_text("\n".join(lines) + "\n")
    (folder / "states.json").write_text(json.dumps(folded(records), indent=1) + "\n")


if __name__ == "__main__":
    asyncio.run(record(Path(sys.argv[1]), Path(sys.argv[2])))
