"""TensorBoardX and TensorBoard: prints as JSON what logging costs, and how fast it is read."""

import json
import os
import sys
import tempfile
import time
from typing import Any

from tensorboard.backend.event_processing import event_accumulator
from tensorboardX import SummaryWriter  # type: ignore[import-not-found] # installed for the measurement alone

from bench.peers.repeating import loop

EventAccumulator: Any = event_accumulator.EventAccumulator

_POINTS = 100_000
_ONES = 5_000


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="tensorboard-") as folder:
        writer = SummaryWriter(f"{folder}/ones", flush_secs=5)
        ones = loop(lambda step: writer.add_scalar("loss", 0.5, step), _ONES)
        seen = until_seen(writer, f"{folder}/ones")
        writer.close()
        writer = SummaryWriter(f"{folder}/tens")
        began = time.time()
        tens = loop(lambda step: ten(writer, step), _POINTS // 10)
        writer.close()
        read_all(f"{folder}/tens", "b9")
        durable = time.time() - began
        writer = SummaryWriter(f"{folder}/long")
        loop(lambda step: writer.add_scalar("long", 1 / (step + 1), step), _POINTS)
        writer.close()
        read = [read_all(f"{folder}/long", "long") for _ in range(3)]
        (file,) = os.listdir(f"{folder}/long")  # noqa: PTH208 - a flat folder
        size = os.path.getsize(f"{folder}/long/{file}") / _POINTS  # noqa: PTH202 - (the same)
    found = {"one": ones, "ten": tens, "points/s": _POINTS / durable, "seen": seen}
    json.dump({**found, "read": read, "bytes": size}, sys.stdout)


def ten(writer: Any, step: int) -> None:
    for at in range(10):
        writer.add_scalar(f"b{at}", step + 0.1 * at, step)


def until_seen(writer: Any, folder: str) -> float:
    """Return how long one scalar takes until a reader that looks all the time has it."""
    reader = EventAccumulator(folder, size_guidance={"scalars": 0})
    start = time.time()
    writer.add_scalar("seen", 1.0, 1)
    while "seen" not in reader.Reload().Tags()["scalars"]:
        time.sleep(0.02)
    return time.time() - start


def read_all(folder: str, tag: str) -> float:
    """Return how many milliseconds reading a series from its beginning takes."""
    start = time.perf_counter()
    EventAccumulator(folder, size_guidance={"scalars": 0}).Reload().Scalars(tag)
    return 1000 * (time.perf_counter() - start)


if __name__ == "__main__":
    main()
