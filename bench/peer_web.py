"""TensorBoard on what the web is measured with: until it has read it, and until it tells it."""

import http.client
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from bench import event_data
from nsml_cli.tensorboard import TensorBoard, program

_LOOK_SECONDS = 0.1
_RUN = "run"

Ask = Callable[[str], Any]


def measure(series: int, points: int, times: int) -> tuple[float, list[float]]:
    """Return after how many seconds all was read, and how long telling all series takes then."""
    with tempfile.TemporaryDirectory(prefix="nsml-bench-") as folder:
        run = Path(folder) / _RUN
        run.mkdir()
        event_data.write(run / "events.out.tfevents.0.nsml", series, points)
        start = time.perf_counter()
        with TensorBoard(program(), Path(folder), None) as board:
            at = urlsplit(board.address())
            connection = http.client.HTTPConnection(at.netloc)

            def ask(path: str) -> Any:
                connection.request("GET", f"{at.path}data/plugin/scalars/{path}")
                return json.loads(connection.getresponse().read())

            names = [f"series{number}" for number in range(series)]
            _wait(ask, names, points)
            loaded = time.perf_counter() - start
            told = [_all(ask, names) for _ in range(times)]
            connection.close()
    return loaded, told


def _wait(ask: Ask, names: list[str], points: int) -> None:
    """Wait until the last point of the last series is told."""
    while len(ask("tags").get(_RUN, {})) < len(names):
        time.sleep(_LOOK_SECONDS)
    while _points(ask, names[-1])[-1][1] < points - 1:
        time.sleep(_LOOK_SECONDS)


def _points(ask: Ask, name: str) -> Any:
    return ask(f"scalars?{urlencode({'run': _RUN, 'tag': name})}")


def _all(ask: Ask, names: list[str]) -> float:
    start = time.perf_counter()
    for name in names:
        _points(ask, name)
    return time.perf_counter() - start
