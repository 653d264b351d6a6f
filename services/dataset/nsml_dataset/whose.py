"""What the caller may do with a dataset: the core's answer, asked about datasets."""

from nsml_core.authority import may
from nsml_core.caller import Caller
from nsml_core.calls import current
from nsml_core.errors import NotPermitted
from nsml_dataset.decide import is_there, not_found
from nsml_protos.dataset_pb2 import Dataset
from nsml_protos.options_pb2 import Need


def is_seen(state: Dataset) -> bool:
    """Tell whether the caller may know of a dataset."""
    return is_there(state) and current().sees(state.owner, private=state.private)


def is_read_by(reader: Caller, state: Dataset) -> bool:
    """Tell whether somebody may for whom a service asks."""
    return is_there(state) and may(reader, Need.SEE, state.owner, private=state.private)


def check_changes(name: str, state: Dataset) -> None:
    """Refuse a dataset that is not the caller's to push to, or to open a board on."""
    if not is_seen(state):
        raise not_found(name)
    if not current().may(Need.CHANGE, state.owner):
        raise NotPermitted(f"The dataset {name} belongs to {state.owner}: ask them.")
