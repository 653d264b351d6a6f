"""How bound objects are saved and restored when no callback says otherwise."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FILE = "bound.pickle"


def save_bound(path: str, **bound: Any) -> None:
    """Write every bound object into one file of the folder."""
    import pickle

    with open(os.path.join(path, FILE), "wb") as file:
        pickle.dump({name: _state(each) for name, each in bound.items()}, file)


def load_bound(path: str, **bound: Any) -> None:
    """Restore every bound object in place."""
    import pickle

    with open(os.path.join(path, FILE), "rb") as file:
        saved = pickle.load(file)  # noqa: S301 - a checkpoint is as trusted as the code it came from
    for name, each in bound.items():
        if hasattr(each, "load_state_dict"):
            each.load_state_dict(saved[name])
        else:
            copy(saved[name], each)


def copy(source: Any, target: Any) -> None:
    """Make target equal to source in place: a dict's items, or any other object's attributes."""
    new, old = (each if isinstance(each, dict) else vars(each) for each in (source, target))
    if new is not old:
        old.clear()
        old.update(new)


def _state(bound: Any) -> object:
    return bound.state_dict() if hasattr(bound, "state_dict") else bound
