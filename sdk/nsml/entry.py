"""How a session that is resumed, forked, submitted or asked takes up its checkpoint."""

from __future__ import annotations

import os
import sys

from nsml.checkpoints import load_start
from nsml.terminal import TERMINAL


def paused(scope: object = None) -> None:
    """Load the checkpoint if this session was resumed or forked; otherwise do nothing.

    Call it after bind() and before training. The checkpoint is the one named by `--iteration`
    on the command line, or else the latest. The command line is read, never changed.

    It returns only to train. With `--mode infer` it answers what comes in by the bound infer, and
    with `--mode test` it predicts the test data of the dataset; then it ends the process.
    `nsml eval` sees the names of scope: scripts pass locals().
    """
    if scope is not None:
        TERMINAL.remember(scope)
    if TERMINAL.waiting:
        TERMINAL.answer()
    if not goes_on():
        return
    load_start(iteration())
    mode = _option("--mode") or os.environ.get("NSML_MODE", "")
    if mode in ("infer", "test"):
        from nsml import serving

        serving.tell_loaded()
        serving.serve() if mode == "infer" else serving.predict()
        sys.exit(0)


def goes_on() -> bool:
    """Tell whether this session does not start from the beginning."""
    return (_option("--pause") or os.environ.get("NSML_PAUSE", "")) == "1"


def iteration() -> str | None:
    """Return the checkpoint to go on from, by the command line or the environment."""
    return _option("--iteration") or os.environ.get("NSML_ITERATION") or None


def _option(name: str) -> str | None:
    """Read the last value of an option, written `--name value` or `--name=value`."""
    value = None
    arguments = sys.argv[1:]
    for argument, following in zip(arguments, [*arguments[1:], None]):
        if argument == name:
            value = following
        elif argument.startswith(f"{name}="):
            value = argument[len(name) + 1 :]
    return value
