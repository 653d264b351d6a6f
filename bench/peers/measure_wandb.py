"""wandb without its server: prints as JSON what logging costs the loop, and what its file takes.

Offline it only writes a file, so nobody can ask it for a point: that is not measured.
"""

import json
import os
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from bench.peers.repeating import loop

_POINTS = 100_000
_ONES = 5_000


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="wandb-") as folder:
        os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_DIR": folder}
        with redirect_stdout(sys.stderr):  # it greets
            found = measured()
    json.dump(found, sys.stdout)


def measured() -> dict[str, object]:
    run = begin()
    ones = loop(lambda step: run.log({"loss": step}), _ONES)
    run.finish()
    run, began = begin(), time.time()
    tens = loop(lambda step: run.log({f"b{at}": step + 0.1 * at for at in range(10)}), 10_000)
    run.finish()  # which ends once all is in the file
    durable = time.time() - began
    run = begin()
    loop(lambda step: run.log({"long": 1 / (step + 1)}), _POINTS)
    run.finish()
    size = sum(file.stat().st_size for file in Path(run.dir).parent.glob("*.wandb"))
    return {"one": ones, "ten": tens, "points/s": _POINTS / durable, "bytes": size / _POINTS}


def begin() -> Any:
    """Begin a run that watches nothing but what it is told."""
    import wandb  # type: ignore[import-not-found] # noqa: PLC0415 - it reads its environment when imported

    return wandb.init(project="p", settings=wandb.Settings(x_disable_stats=True, console="off"))


if __name__ == "__main__":
    main()
