"""What scripts for NNI import from `nni.utils`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def merge_parameter(base_params: Any, override_params: dict[str, Any] | None) -> Any:
    """Put parameters in the place of those of a dict or of argparse's namespace, and return it."""
    of_dict = isinstance(base_params, dict)
    known = base_params if of_dict else vars(base_params)
    for name, value in (override_params or {}).items():
        if name not in known:
            raise ValueError(f"there is no {name!r} among the base parameters")
        if known[name] is not None and type(known[name]) is not type(value):
            raise TypeError(
                f"{name!r} is a {type(known[name]).__name__} among the base parameters,"
                f" but {value!r} is a {type(value).__name__}"
            )
        known[name] = value
    return base_params
