"""Metrics into files: CSV, Parquet, TensorBoard's event files; read in parts, however many."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nsml_client.client import Client
from nsml_client.event_files import EventFile
from nsml_core.errors import Refused
from nsml_protos.session_pb2 import MetricsReply, MetricsRequest, Series

_POINTS_AT_ONCE = 500_000
_HEAD = ("session", "series", "step", "time_us", "value")
_BUCKET_HEAD = ("min", "max", "first", "first_step", "count")
_BUCKET_COLUMNS = ("mins", "maxs", "firsts", "first_steps", "counts")


def overview(client: Client, name: str, patterns: Sequence[str]) -> Sequence[Series]:
    """Return each series of a session as one bucket: its last point, its extremes, its size."""
    request = MetricsRequest(name=name, series=patterns, buckets=1)
    return client.call("Sessions/Metrics", request, MetricsReply).series


def series(client: Client, name: str, patterns: Sequence[str], buckets: int) -> Iterator[Series]:
    """Yield the series of a session, every point of them or in buckets."""
    for group in _groups(overview(client, name, patterns), buckets):
        request = MetricsRequest(name=name, series=group, buckets=buckets)
        reply = client.call("Sessions/Metrics", request, MetricsReply)
        wanted = set(group)  # a name may hold a * itself, and match others
        yield from (one for one in reply.series if one.name in wanted)


def _groups(known: Sequence[Series], buckets: int) -> Iterator[list[str]]:
    group: list[str] = []
    size = 0
    for one in known:
        count = sum(one.counts)
        size += min(count, buckets) if buckets else count
        if group and size > _POINTS_AT_ONCE:
            yield group
            group, size = [], count
        group.append(one.name)
    if group:
        yield group


class Export:
    """What is written, of which sessions, in how many buckets."""

    def __init__(
        self, client: Client, names: Sequence[str], patterns: Sequence[str], buckets: int
    ) -> None:
        self._client = client
        self._names = names
        self._patterns = patterns
        self._buckets = buckets

    def series(self) -> Iterator[tuple[str, Series]]:
        """Yield each series with its session."""
        for name in self._names:
            for one in series(self._client, name, self._patterns, self._buckets):
                yield name, one

    @property
    def _columns(self) -> tuple[str, ...]:
        return _HEAD + _BUCKET_HEAD if self._buckets else _HEAD

    def csv(self, file: Path) -> None:
        """Write a row for each point, or bucket."""
        with file.open("w", newline="", encoding="utf-8") as opened:
            writer = csv.writer(opened)
            writer.writerow(self._columns)
            for name, one in self.series():
                columns = self._values(one)
                writer.writerows((name, one.name, *row) for row in zip(*columns, strict=True))

    def _values(self, one: Series) -> list[Sequence[Any]]:
        more = _BUCKET_COLUMNS if self._buckets else ()
        return [one.steps, one.times_us, one.values, *(getattr(one, name) for name in more)]

    def parquet(self, file: Path) -> None:
        """Write a row group for each series."""
        if find_spec("pyarrow") is None:
            raise Refused("Parquet needs pyarrow: `pip install 'nsml-cli[parquet]'`.")
        arrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
        schema = arrow.schema([(name, _arrow_type(arrow, name)) for name in self._columns])
        with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
            for name, one in self.series():
                count = len(one.steps)
                columns = [[name] * count, [one.name] * count, *map(list, self._values(one))]
                writer.write_table(arrow.table(columns, schema=schema))

    def tensorboard(self, folder: Path) -> None:
        """Write one folder for each session: TensorBoard calls it a run."""
        with ExitStack() as files:
            for name in self._names:
                run = folder / name.replace("/", "-")
                run.mkdir(parents=True, exist_ok=True)
                file = files.enter_context(EventFile(run / "events.out.tfevents.0.nsml"))
                for one in series(self._client, name, self._patterns, self._buckets):
                    file.add(one)


def _arrow_type(arrow: Any, column: str) -> Any:
    match column:
        case "session" | "series":
            return arrow.string()
        case "time_us":
            return arrow.timestamp("us", tz="UTC")
        case "count":
            return arrow.uint32()
        case _:
            return arrow.float64()
