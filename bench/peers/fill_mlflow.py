"""A run of MLflow's with so many points, put into its SQLite file; prints where the run is."""

import random
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

from mlflow.tracking import MlflowClient  # type: ignore[import-not-found] # installed for the measurement alone

_BEGAN_MS = 1_700_000_000_000
_POINT = "insert into metrics (key, value, timestamp, run_uuid, step, is_nan) values (?,?,?,?,?,0)"
_LAST = (
    "insert into latest_metrics (key, value, timestamp, run_uuid, step, is_nan) "
    "values (?,?,?,?,?,0)"
)

Point = tuple[str, float, int, str, int]


def main() -> None:
    file, series, points = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    client = MlflowClient(f"sqlite:///{file}")
    experiment = client.create_experiment("bench")
    run = client.create_run(experiment).info.run_id
    # Its own `log_batch` takes a thousand points at once: five million take it an hour.
    with sqlite3.connect(file) as database:
        for number in range(series):
            rows = list(_points(f"series{number}", points, run))
            database.executemany(_POINT, rows)
            database.execute(_LAST, rows[-1])
    sys.stdout.write(f"/#/experiments/{experiment}/runs/{run}/model-metrics")


def _points(name: str, points: int, run: str) -> Iterator[Point]:
    dice = random.Random(name)  # noqa: S311 - noise
    for step in range(points):
        yield name, dice.random(), _BEGAN_MS + 1000 * step, run, step


if __name__ == "__main__":
    main()
