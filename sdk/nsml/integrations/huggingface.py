"""Hugging Face Transformers: a callback for its Trainer that reports, saves and goes on."""

from __future__ import annotations

import os
import shutil

from nsml.checkpoints import save
from nsml.integrations.common import (
    framework,
    keep_hyperparameters,
    report_numbers,
    start_folder,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from nsml.integrations.common import Summary

_Callback: Any = framework(__name__).TrainerCallback


class NSMLCallback(_Callback):  # type: ignore[misc]  # it may not be installed
    """`Trainer(callbacks=[NSMLCallback()])`: logs are metrics, and what it saves are checkpoints.

    `trainer.train(resume_from_checkpoint=callback.resume_path())` goes on where the session was
    resumed or forked. `summary` names the metrics that `nsml ps` shows; True shows all, False none.
    """

    def __init__(self, *, summary: Summary = True) -> None:
        self._summary = summary

    @staticmethod
    def resume_path() -> str | None:
        """Return the folder to go on from; None where the session starts from the beginning."""
        return start_folder()

    def on_train_begin(self, args: Any, state: Any, *_: Any, **__: Any) -> None:
        if state.is_world_process_zero:
            keep_hyperparameters(args.to_sanitized_dict())

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:  # noqa: ARG002
        if state.is_world_process_zero:
            report_numbers(logs or {}, state.global_step, self._summary)

    def on_save(self, args: Any, state: Any, *_: Any, **__: Any) -> None:
        if state.is_world_process_zero:
            folder = os.path.join(args.output_dir, f"checkpoint-{state.global_step}")
            save(state.global_step, lambda path: shutil.copytree(folder, path, dirs_exist_ok=True))
