"""Where a script of PeriFlow runs, and what becomes of its metrics and checkpoints there."""

from __future__ import annotations

import os
import time

from nsml.constants import CHECKPOINT_DIR, RUNNER_SOCKET
from nsml.notice import warn_once
from nsml.periflow.emergency import Emergency
from nsml.periflow.errors import PeriFlowError, PeriFlowInternalError
from nsml.periflow.uploads import Uploads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Place(Protocol):
        """One of the two places where scripts run."""

        first_step: int

        def metric(self, values: dict[str, Any], step: int) -> None:
            """Record numbers of a step."""

        def upload(self, step: int, part: str = "") -> None:
            """Keep the checkpoint of a step: all of its folder, or a part of it."""

        def settle(self, *, is_last: bool) -> None:
            """Do what waited for other ranks: at the end of a step, or when this one ends."""

        def is_emergency(self) -> bool:
            """Tell whether this session is being stopped, and a checkpoint would save its work."""

        def leave_if_saved(self) -> None:
            """End the process when it was told to and its checkpoint is kept."""

        def checkpoint(self, path: str, step: int) -> str:
            """Return where a file of a checkpoint lies that the script calls so."""


_NO_NUMBERS = (str, bytes, type(None), dict, list, tuple, set)


class OnPlatform:
    """A session: metrics are reported, checkpoints are those of the session."""

    def __init__(self) -> None:
        self.first_step = _number("PROCESSED_ITERS", 0)
        self._rank = _number("RANK", 0)
        ranks = _number("WORLD_SIZE", 1) // max(_number("NUM_NODES", 1), 1)
        self._uploads = Uploads(os.path.join(CHECKPOINT_DIR, ".periflow"), self._rank, ranks)
        self._emergency = Emergency()

    def metric(self, values: dict[str, Any], step: int) -> None:
        """Report numbers; those of other ranks than 0 under the name of their rank."""
        from nsml.metrics import report

        known = report.__code__
        taken = known.co_varnames[: known.co_argcount + known.co_kwonlyargcount]
        named = {}
        for name, value in values.items():
            if name == "step":  # PeriFlow put its own in that place too
                continue
            if isinstance(value, _NO_NUMBERS):
                warn_once("periflow", f"metric {name!r} is no number, and such are left out.")
                continue
            named[f"{name}_" if name in taken else str(name)] = value
        if self._rank:
            named = {f"rank{self._rank}/{name}": value for name, value in named.items()}
        report(summary=self._rank == 0, step=step, **named)

    def upload(self, step: int, part: str = "") -> None:
        """Keep what lies in the job's checkpoint folder, once for all ranks."""
        if not os.path.isdir(_folder()):
            raise PeriFlowError(f"{_folder()} is not there: save the checkpoint, then upload it")
        is_urgent = self._emergency.asked and self._rank == 0
        self._uploads.offer(step, part, is_urgent=is_urgent)
        self._emergency.saved = self._emergency.asked

    def settle(self, *, is_last: bool) -> None:
        self._uploads.settle(is_last=is_last)

    def is_emergency(self) -> bool:
        self._emergency.watch()
        return self._emergency.asked

    def leave_if_saved(self) -> None:
        self._emergency.leave_if_saved()

    def checkpoint(self, path: str, step: int) -> str:
        """Lay out as PeriFlow did; what a session goes on from is found again by this."""
        return os.path.join(_folder(), _iteration(step), "mp_rank_00_000", os.path.basename(path))


class Local:
    """Off the platform: metrics become lines of a file, and checkpoints stay where they are."""

    first_step = 0

    def __init__(self, name: str | None) -> None:
        rank = _number("RANK", 0)
        self._log = name or f"periflow_trainer_{int(time.time())}_{rank}.log"

    def metric(self, values: dict[str, Any], step: int) -> None:  # noqa: ARG002 - see Place
        import json

        line = json.dumps(values)
        with open(self._log, "a", encoding="utf-8") as log:
            log.write(f"{line}\n")

    def upload(self, step: int, part: str = "") -> None:
        """Nothing to do: there is nowhere to upload to."""

    def settle(self, *, is_last: bool) -> None:
        """Nothing waits."""

    def is_emergency(self) -> bool:
        return False

    def leave_if_saved(self) -> None:
        """Nobody tells it to end and waits."""

    def checkpoint(self, path: str, step: int) -> str:  # noqa: ARG002 - see Place
        return path


def here(local_log_name: str | None) -> Place:
    """Return where this script runs; PERIFLOW_ENABLED=0 makes a session as quiet as a laptop."""
    is_local = not RUNNER_SOCKET or os.environ.get("PERIFLOW_ENABLED", "1") != "1"
    return Local(local_log_name) if is_local else OnPlatform()


def part_of(step: int) -> str:
    """Return the part of the checkpoint folder that one save of pf.save() fills."""
    return _iteration(step)


def _iteration(step: int) -> str:
    return f"iter_{step:07d}"


def _folder() -> str:
    folder = os.environ.get("CKPT_DIR")
    if not folder:
        raise PeriFlowError(
            "nothing says where the checkpoints lie: write checkpoint.output_checkpoint_dir into"
            " the job file, or set CKPT_DIR"
        )
    return folder


def _number(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal():
        raise PeriFlowInternalError(f"{name} is {text!r}, and should be a number")
    return int(text)
