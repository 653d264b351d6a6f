"""What a service's view consists of, as data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nsml_core.tables import EventTable, StateTable


@dataclass(frozen=True)
class Schema:
    """All tables of one service's view, and the subjects that they follow from."""

    service: str
    subjects: Sequence[str]
    states: Sequence[StateTable[Any]] = ()
    events: Sequence[EventTable] = ()
    version: int = 1
    """Counted up with every change of the tables.

    A view of another version is dropped and folded again.
    """
