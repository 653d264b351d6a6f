"""Entries that earlier versions wrote are read today, and mean what they meant."""

import json
from pathlib import Path
from typing import get_args

import pytest

from nsml_core.entry import check_chain
from tests.golden.histories import FOLDS, folded, read

VERSIONS = sorted(path.parent for path in Path(__file__).parent.glob("*/entries.json"))


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)
def test_a_recorded_history_folds_to_the_states_it_folded_to(folder: Path) -> None:
    recorded = json.loads((folder / "states.json").read_text())
    states = folded(read(folder))
    kinds = {name.partition(" ")[0] for name in recorded}

    alike = {name: state for name, state in states.items() if name.partition(" ")[0] in kinds}
    assert alike == recorded


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)
def test_the_chains_of_a_recorded_history_hold(folder: Path) -> None:
    hashes: dict[str, bytes] = {}
    for record in read(folder):
        entry = record.decode()
        check_chain(hashes.get(record.subject, b""), entry)
        hashes[record.subject] = entry.hash


def test_every_event_of_today_is_recorded_somewhere() -> None:
    known = {event.__name__ for fold in FOLDS for event in get_args(fold.events) or (fold.events,)}
    recorded = {
        type(event).__name__
        for folder in VERSIONS
        for record in read(folder)
        for event in record.decode().events
    }

    assert known - recorded == set()
