"""What all integrations share: their framework, hyperparameters, and what to go on from."""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from importlib.util import find_spec

from nsml.checkpoints import start_path
from nsml.constants import IS_ON_NSML, OUTPUT_PATH
from nsml.entry import goes_on, iteration
from nsml.metrics import report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Collection, Mapping, Union

    Summary = Union[bool, Collection[str]]

FRAMEWORKS = {
    "nsml.integrations.lightning": ("lightning.pytorch", "pytorch_lightning"),
    "nsml.integrations.huggingface": ("transformers",),
}
"""What each integration stands on; of several the one that the script itself has imported."""

HYPERPARAMETERS = "hparams.json"


def framework(integration: str) -> Any:
    """Import what an integration stands on; nothing else of NSML needs it."""
    flavours = FRAMEWORKS[integration]
    there = [name for name in flavours if find_spec(name.partition(".")[0])]
    if not there:
        raise ModuleNotFoundError(
            f"{integration} needs {' or '.join(flavours)}: put it into requirements.txt"
        )
    return import_module(next((name for name in there if name in sys.modules), there[0]))


def start_folder() -> str | None:
    """Return the folder of the checkpoint that this session goes on from; None: the beginning."""
    return start_path(iteration()) if goes_on() else None


def report_numbers(metrics: Mapping[str, Any], step: int | None, summary: Summary) -> None:
    """Report what is a number among the metrics; show all of them in `nsml ps`, some, or none."""
    numbers = {name: value for name, value in metrics.items() if is_number(value)}
    shown = set(numbers) if summary is True else set(summary or ()) & set(numbers)
    for is_shown, names in ((True, shown), (False, set(numbers) - shown)):
        if names:
            report(summary=is_shown, step=step, **{name: numbers[name] for name in names})


def is_number(value: object) -> bool:
    from numbers import Real

    return isinstance(value, Real)


def keep_hyperparameters(params: Mapping[str, Any]) -> None:
    """Write hyperparameters where `nsml download` finds them; off the platform to nowhere."""
    if IS_ON_NSML and params:
        with open(os.path.join(OUTPUT_PATH, HYPERPARAMETERS), "w", encoding="utf-8") as file:
            json.dump(params, file, indent=2, default=str)
