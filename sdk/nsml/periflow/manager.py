"""The steps of a training run, in the order that PeriFlow asks for."""

from __future__ import annotations

import atexit
import importlib
import os
from contextlib import contextmanager

from nsml.periflow.errors import PeriFlowError
from nsml.periflow.places import here, part_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from nsml.periflow.places import Place


class TrainingManager:
    """Knows which step it is, and what was already done in it."""

    def __init__(self) -> None:
        self._place: Place | None = None
        self._step = 0
        self._is_in_step = False
        self._uploaded: int | None = None
        self._saved: int | None = None

    def init(self, total_train_steps: int | None = None, local_log_name: str | None = None) -> None:
        """Begin; everything else needs this first. Step 1 follows the checkpoint's last one."""
        if total_train_steps is not None and not hasattr(total_train_steps, "__index__"):
            kind = type(total_train_steps).__name__
            raise PeriFlowError(f"total_train_steps is a whole number, not a {kind}")
        if self._place is None:
            atexit.register(self._settle)
        self._place = here(local_log_name)
        self._step = self._place.first_step

    def start_step(self) -> None:
        """Begin a step of training."""
        place = self._begun()
        if self._is_in_step:
            raise PeriFlowError("a step was started before: call pf.end_step() first")
        place.leave_if_saved()
        self._step += 1
        self._is_in_step = True

    def end_step(self) -> None:
        """End a step of training."""
        place = self._begun()
        if not self._is_in_step:
            raise PeriFlowError("no step was started: call pf.start_step() first")
        self._is_in_step = False
        place.settle(is_last=False)
        if self._saved == self._step:
            place.upload(self._step, part_of(self._step))
        place.leave_if_saved()

    @contextmanager
    def train_step(self) -> Iterator[None]:
        """Start a step, and end it."""
        self.start_step()
        try:
            yield
        finally:
            self.end_step()

    def is_emergency_save(self) -> bool:
        """Tell whether the session is being stopped: save, upload, and it ends by itself."""
        return self._begun().is_emergency()

    def metric(self, msg: dict[str, Any]) -> None:
        """Record numbers of the current step."""
        place = self._begun()
        if not isinstance(msg, dict):
            raise PeriFlowError(f"metrics are a dict of names and numbers, not {msg!r}")
        place.metric(msg, self._step)

    def upload_checkpoint(self) -> None:
        """Keep what lies in the job's checkpoint folder as the checkpoint of the current step."""
        place = self._begun()
        if self._uploaded == self._step:
            raise PeriFlowError(f"the checkpoint of step {self._step} was uploaded before")
        place.upload(self._step)
        self._uploaded = self._step

    def save(self, obj: Any, path: Any, *args: Any, **more: Any) -> None:
        """Save by torch, once within a step; in a session the step's end uploads it."""
        place = self._begun()
        if not self._is_in_step or self._saved == self._step:
            raise PeriFlowError("pf.save() is called once, between start_step() and end_step()")
        target = place.checkpoint(_path(path), self._step)
        os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
        more.pop("async_save", None)  # of the first version, which had it and did not do it
        _torch().save(obj, target, *args, **more)
        self._saved = self._step

    def load(self, path: Any, *args: Any, **more: Any) -> Any:
        """Load by torch what save() wrote; in a session what it goes on from."""
        place = self._place or here(None)
        source = place.checkpoint(_path(path), self._step or place.first_step)
        return _torch().load(source, *args, **more)

    def is_checkpoint_exist(self, path: Any) -> bool:
        """Tell whether load() would find something."""
        place = self._place or here(None)
        return os.path.exists(place.checkpoint(_path(path), self._step or place.first_step))

    def get_current_step(self) -> int:
        """Return the number of the step that was started last."""
        self._begun()
        return self._step

    def _begun(self) -> Place:
        if self._place is None:
            raise PeriFlowError("call pf.init() before anything else of PeriFlow")
        return self._place

    def _settle(self) -> None:
        self._begun().settle(is_last=True)


def _path(path: Any) -> str:
    if not isinstance(path, (str, os.PathLike)):
        raise PeriFlowError(f"{path!r} is no path: for open files, call torch itself")
    return os.fspath(path)


def _torch() -> Any:
    return importlib.import_module("torch")
