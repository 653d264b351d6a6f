"""PyTorch Lightning 2: its metrics, hyperparameters and checkpoints on NSML, and how to go on."""

from __future__ import annotations

import os
import shutil
import tempfile

from nsml.checkpoints import save
from nsml.constants import CHECKPOINT_DIR, RUNNER_SOCKET, SESSION_NAME
from nsml.integrations.common import (
    framework,
    keep_hyperparameters,
    report_numbers,
    start_folder,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping

    from nsml.integrations.common import Summary

_pl = framework(__name__)
_Logger: Any = _pl.loggers.Logger
_Checkpoint: Any = _pl.callbacks.Checkpoint
_only_rank_0 = _pl.utilities.rank_zero_only

FILE = "lightning.ckpt"
FLUSH_SECONDS = 1.0


class NSMLLogger(_Logger):  # type: ignore[misc]  # whichever Lightning there is
    """`Trainer(logger=NSMLLogger())`: what a module logs is a metric of the session.

    `summary` names the metrics that `nsml ps` shows; True shows all, False none.
    """

    def __init__(self, *, summary: Summary = True) -> None:
        super().__init__()
        self._summary = summary

    @property
    def name(self) -> str:
        return "nsml"

    @property
    def version(self) -> str | int:
        return SESSION_NAME.replace("/", "_") or 0

    @_only_rank_0  # type: ignore[untyped-decorator]
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        report_numbers(metrics, step, self._summary)

    @_only_rank_0  # type: ignore[untyped-decorator]
    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        keep_hyperparameters(params if isinstance(params, dict) else vars(params or object))

    @_only_rank_0  # type: ignore[untyped-decorator]
    def finalize(self, status: str) -> None:  # noqa: ARG002 - Lightning's own signature
        """Send what is still on its way."""
        if RUNNER_SOCKET:
            from nsml.outbox import OUTBOX

            OUTBOX.flush(FLUSH_SECONDS)


class NSMLCheckpoint(_Checkpoint):  # type: ignore[misc]  # whichever Lightning there is
    """`Trainer(callbacks=[NSMLCheckpoint()])`: one after each epoch, or so many steps.

    `trainer.fit(model, ckpt_path=checkpoint.resume_path())` goes on where the session was resumed
    or forked.
    """

    def __init__(self, every_n_epochs: int = 1, every_n_steps: int = 0) -> None:
        super().__init__()
        self._epochs = every_n_epochs
        self._steps = every_n_steps
        self._saved = 0

    @staticmethod
    def resume_path() -> str | None:
        """Return the file to go on from; None where the session starts from the beginning."""
        folder = start_folder()
        return folder and os.path.join(folder, FILE)

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        if self._steps and trainer.global_step % self._steps == 0:
            self._save(trainer)

    def on_train_epoch_end(self, trainer: Any, *_: Any) -> None:
        if self._epochs and (trainer.current_epoch + 1) % self._epochs == 0:
            self._save(trainer)

    def _save(self, trainer: Any) -> None:
        """Write on all ranks, as strategies ask, into a folder of rank 0, which hands it over."""
        if trainer.fast_dev_run or trainer.global_step == self._saved:
            return
        self._saved = trainer.global_step
        folder = trainer.strategy.broadcast(_scratch() if trainer.is_global_zero else None)
        file = os.path.join(folder, FILE)
        trainer.save_checkpoint(file, weights_only=False)
        if trainer.is_global_zero:
            try:
                save(self._saved, lambda path: shutil.move(file, os.path.join(path, FILE)))
            finally:
                shutil.rmtree(folder, ignore_errors=True)


def _scratch() -> str:
    os.makedirs(CHECKPOINT_DIR, exist_ok=True)
    return tempfile.mkdtemp(prefix=".lightning-", dir=os.path.abspath(CHECKPOINT_DIR))
