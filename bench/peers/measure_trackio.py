"""Trackio: prints as JSON what logging costs the loop, how soon it is seen, how fast it is read."""

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout

from bench.peers.repeating import loop

_POINTS = 100_000
_ONES = 5_000
_READ = """
import json, sys, time
from trackio.sqlite_storage import SQLiteStorage
project, metric, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
while True:
    start = time.perf_counter()
    try:
        values = SQLiteStorage.get_metric_values(project, "run", metric)
    except Exception:
        values = []
    taken = time.perf_counter() - start
    if len(values) >= count:
        print(json.dumps([time.time(), 1000 * taken]))
        break
    time.sleep(0.005)
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="trackio-") as folder:
        os.environ |= {"TRACKIO_DIR": folder, "HF_HUB_OFFLINE": "1"}
        with redirect_stdout(sys.stderr):  # it greets
            found = measured(folder)
    json.dump(found, sys.stdout)


def measured(folder: str) -> dict[str, object]:
    import trackio  # type: ignore[import-not-found] # noqa: PLC0415 - it reads its folder when imported

    trackio.init(project="p", name="run", auto_log_gpu=False, auto_log_cpu=False)
    reader = begin("p", "seen", 1)
    time.sleep(2)
    start = time.time()
    trackio.log({"seen": 1.0})
    seen = answer(reader)[0] - start
    ones = loop(lambda step: trackio.log({"loss": step}), _ONES)
    trackio.finish()
    trackio.init(project="q", name="run", auto_log_gpu=False, auto_log_cpu=False)
    reader, began = begin("q", "b9", _POINTS // 10), time.time()
    tens = loop(lambda step: trackio.log({f"b{at}": step + 0.1 * at for at in range(10)}), 10_000)
    durable = answer(reader)[0] - began
    trackio.finish()
    trackio.init(project="r", name="run", auto_log_gpu=False, auto_log_cpu=False)
    loop(lambda step: trackio.log({"long": 1 / (step + 1)}), _POINTS)
    trackio.finish()
    read = [answer(begin("r", "long", _POINTS))[1] for _ in range(5)]
    size = sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))  # noqa: PTH202, PTH208, PTH118 - a flat folder
    return {
        "one": ones,
        "ten": tens,
        "points/s": _POINTS / durable,
        "seen": seen,
        "read": read,
        "bytes": size / (2 * _POINTS + _ONES),
    }


def begin(project: str, metric: str, count: int) -> "subprocess.Popen[str]":
    """Begin to read in another process, as another client would."""
    words = [sys.executable, "-c", _READ, project, metric, str(count)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def answer(reader: "subprocess.Popen[str]") -> list[float]:
    printed, _ = reader.communicate()
    seen, taken = json.loads(printed)
    return [seen, taken]


if __name__ == "__main__":
    main()
