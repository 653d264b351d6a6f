"""The callbacks that a script binds, and how they are called."""

from __future__ import annotations

import os

from nsml.defaults import load_bound, save_bound
from nsml.terminal import TERMINAL

TYPE_CHECKING = False  # not imported from typing, which alone costs milliseconds
if TYPE_CHECKING:
    from typing import Any, Callable


class Bindings:
    """What the script has bound so far; a later bind replaces an earlier one name by name."""

    def __init__(self) -> None:
        self._save: Callable[..., Any] | None = None
        self._load: Callable[..., Any] | None = None
        self._infer: Callable[..., Any] | None = None
        self._extra: dict[str, Any] = {}
        self.strict = os.environ.get("NSML_STRICT", "") == "1"

    def update(
        self,
        save: Callable[..., Any] | None,
        load: Callable[..., Any] | None,
        infer: Callable[..., Any] | None,
        extra: dict[str, Any],
    ) -> None:
        """Bind what was given and keep the rest."""
        self._save = save or self._save
        self._load = load or self._load
        self._infer = infer or self._infer
        self._extra.update(extra)

    def saver(self) -> Callable[..., Any]:
        """Return the bound save callback, or the default for bound objects."""
        return self._chosen(self._save, save_bound, "nsml.bind(save=...)")

    def loader(self) -> Callable[..., Any]:
        """Return the bound load callback, or the default for bound objects."""
        return self._chosen(self._load, load_bound, "nsml.bind(load=...)")

    def inferrer(self) -> Callable[..., Any]:
        """Return the bound infer callback."""
        return self._chosen(self._infer, None, "nsml.bind(infer=...)")

    def call(self, callback: Callable[..., Any], *arguments: object, **given: object) -> Any:
        """Call back with the arguments, and with the bound keywords that the callback accepts."""
        accepted = _accepted(callback, len(arguments), self._extra)
        return callback(*arguments, **{**accepted, **given})

    def _chosen(
        self, bound: Callable[..., Any] | None, default: Callable[..., Any] | None, call: str
    ) -> Callable[..., Any]:
        if bound is not None:
            return bound
        if default is not None and self._extra:
            return default
        raise RuntimeError(f"nothing is bound for this: call {call} first")


def _accepted(callback: Callable[..., Any], taken: int, extra: dict[str, Any]) -> dict[str, Any]:
    """Many callbacks take the path and nothing else, so keywords go only where they are named."""
    if not extra:
        return {}
    import inspect

    try:
        others = list(inspect.signature(callback).parameters.values())[taken:]
    except ValueError:  # some builtins have no signature
        return {}
    if any(each.kind is each.VAR_KEYWORD for each in others):
        return extra
    named = {each.name for each in others if each.kind is not each.VAR_POSITIONAL}
    return {name: value for name, value in extra.items() if name in named}


BOUND = Bindings()


def bind(
    save: Callable[..., Any] | None = None,
    load: Callable[..., Any] | None = None,
    infer: Callable[..., Any] | None = None,
    *,
    strict: bool | None = None,
    **objects: object,
) -> None:
    """Tell NSML how to save, load and infer.

    `save(path)` and `load(path)` get a folder, `infer(data)` gets what nsml.infer() is given.
    Other keywords are handed on to those callbacks that name them. Without callbacks they are what
    is saved: `state_dict()` where an object has one, otherwise the object itself, pickled.

    A save callback that raises costs its checkpoint, not the training; with strict=True (or
    NSML_STRICT=1) what it raises is raised by nsml.save().
    """
    if strict is not None:
        BOUND.strict = strict
    objects.pop("use_nsml_legacy", None)  # a switch of NSML's, which meant how paths are given
    BOUND.update(save, load, infer, objects)
    if TERMINAL.waiting:
        TERMINAL.listen()


def infer(*data: object, **given: object) -> Any:
    """Call the bound infer callback and return its result."""
    return BOUND.call(BOUND.inferrer(), *data, **given)
