"""A trial of a search, in the words of NNI: its parameters, and its results as metrics."""

from __future__ import annotations

import os
import sys

from nsml import trial_utils as utils  # noqa: F401 - a script may write nni.utils
from nsml.constants import SESSION_NAME
from nsml.metrics import report
from nsml.notice import warn_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Union

    Metric = Union[float, Dict[str, Any]]

STANDALONE = "STANDALONE"
_given: dict[str, dict[str, Any]] = {}
_reported: list[str] = []


def get_next_parameter() -> dict[str, Any]:
    """Return the parameters that `nsml run --params` gave, dotted keys as they are; {} without."""
    path = os.environ.get("NSML_PARAMS")
    if path:
        import json

        with open(path, encoding="utf-8") as file:
            _given["parameters"] = json.load(file)
    else:
        warn_once(
            "params",
            "this trial has no parameters: `nsml run --params` gives it some.",
        )
        _given["parameters"] = {}
    return _given["parameters"]


def get_current_parameter(tag: str | None = None) -> Any:
    """Return what get_next_parameter() returned, or one of it; None before."""
    parameters = _given.get("parameters")
    return parameters if parameters is None or tag is None else parameters[tag]


def report_intermediate_result(metric: Metric) -> None:
    """Report a result on the way: a number, or a dict whose `default` is the one that counts."""
    _say("Intermediate result", f"{metric}  (Index {len(_reported)})")
    _reported.append("intermediate")
    report(**_values("nni/intermediate", metric))


def report_final_result(metric: Metric) -> None:
    """Report the result of this trial, which `nsml ps` shows."""
    _say("Final result", str(metric))
    report(summary=True, **_values("nni/final", metric))


def get_experiment_id() -> str:
    """Return USER_DATASET, or STANDALONE off the platform."""
    return "_".join(SESSION_NAME.split("/")[:2]) or STANDALONE


def get_trial_id() -> str:
    """Return USER_DATASET_N, or STANDALONE off the platform."""
    return SESSION_NAME.replace("/", "_") or STANDALONE


def get_sequence_id() -> int:
    """Return the session's number, or 0 off the platform."""
    return int(SESSION_NAME.rpartition("/")[2] or 0)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise AttributeError(
        f"NSML's own nni has no {name!r}: put nni into requirements.txt to have the real one"
    )


def _values(name: str, metric: Metric) -> dict[str, Any]:
    """Return `default` under the name itself, and the other numbers below it."""
    if not isinstance(metric, dict):
        return {name: metric}
    if "default" not in metric:
        raise ValueError("a result that is a dict needs a 'default', the number that counts")
    others = {key: value for key, value in metric.items() if key != "default"}
    numbers = {key: value for key, value in others.items() if _is_number(value)}
    if len(numbers) < len(others):
        warn_once("results", f"of the results for {name}, what is no number is left out.")
    below = {f"{name}/{key}": value for key, value in numbers.items()}
    return {name: metric["default"], **below}


def _is_number(value: object) -> bool:
    import numbers

    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _say(what: str, result: str) -> None:
    if not SESSION_NAME:
        sys.stdout.write(f"{what}: {result}\n")
