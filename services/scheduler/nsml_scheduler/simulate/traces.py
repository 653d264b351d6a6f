"""Traces: files of jobs that others, or this platform, ran; read by the names of their columns."""

import csv
import gzip
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

from nsml_core.errors import Invalid, NotFound
from nsml_scheduler.policy.model import WHOLE, Ask, Gpu, Host, Job
from nsml_scheduler.simulate.replay import Task

Row = Mapping[str, str]

_NAMES = {
    "submit_s": ("submit_s", "submission_time"),
    "duration_s": ("duration_s", "duration"),
    "num_gpus": ("num_gpus", "num_gpu"),
}
"""What a trace of jobs has to say, and the names that it may have there."""

_PODS = ("cpu_milli", "memory_mib", "num_gpu", "gpu_milli")
_NODES = ("sn", "cpu_milli", "memory_mib", "gpu", "model")
_OWN_NODES = ("node", "cpus", "memory_bytes", "gpus", "model")
_MILLI = 1000
_MIB = 1 << 20
_PLENTY = 1 << 60
"""Of what nodes have of which nothing is said. Here cores are counted in thousandths."""


@dataclass(frozen=True)
class Pods:
    """A trace of needs without times: who comes stays, and the question is who finds room."""

    asks: Sequence[Ask]


@dataclass(frozen=True)
class Jobs:
    """A trace of jobs with times; gangs are split into nodes of a size when that is known."""

    rows: Sequence[Row]

    def tasks(self, per_node: int) -> list[Task]:
        return [_task(at, row, per_node) for at, row in enumerate(self.rows)]

    @property
    def tenants(self) -> set[str]:
        return {row["tenant"] for row in self.rows}


def read(path: Path) -> Pods | Jobs:
    """Read a trace; its columns say which kind it is."""
    rows = list(_rows(path))
    columns = rows[0].keys() if rows else set()
    if not rows:
        raise Invalid(f"{path.name} has no rows: a trace is CSV with a header, gzipped or not.")
    if not _lacking(columns, _PODS):
        return Pods([_ask(path, row) for row in rows])
    lacking = [name for name, names in _NAMES.items() if _lacking_all(columns, names)]
    if lacking:
        needed = ", ".join(_NAMES)
        raise Invalid(
            f"{path.name} has no column {', '.join(lacking)}: a trace of jobs needs {needed} (and "
            f"may have tenant, priority, cpus, memory_bytes), one of needs {', '.join(_PODS)}."
        )
    return Jobs(sorted((_plain(path, row) for row in rows), key=lambda row: float(row["submit_s"])))


def nodes(text: str) -> list[Host]:
    """Read a fleet: a file of nodes, or such as 80x8 for 80 nodes of 8 GPUs."""
    count, by, gpus = text.partition("x")
    if by and count.isdigit() and gpus.isdigit():
        return alike(int(count), int(gpus))
    path = Path(text)
    rows = list(_rows(path))
    columns = rows[0].keys() if rows else ()
    if not _lacking(columns, _OWN_NODES):
        return [_own_host(path, row) for row in rows]
    if lacking := _lacking(columns, _NODES):
        raise Invalid(
            f"{path.name} has no column {', '.join(lacking)}: a file of nodes needs "
            f"{', '.join(_NODES)}; or type such as 80x8."
        )
    return [_host(path, row) for row in rows]


def alike(count: int, gpus: int) -> list[Host]:
    devices = _gpus(gpus)
    width = len(str(count))
    return [Host(f"node-{at:0{width}}", _PLENTY, _PLENTY, devices) for at in range(count)]


def _rows(path: Path) -> Iterator[Row]:
    try:
        data = _located(path).read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    except FileNotFoundError:
        raise NotFound(f"There is no file {path}.") from None
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise Invalid(f"{path} cannot be read as CSV: {error}.") from None
    for row in csv.DictReader(io.StringIO(text)):
        yield {name: value or "" for name, value in row.items() if isinstance(value, str | None)}


def _located(path: Path) -> Path:
    """Look for what is not here in NSML_TRACES, a folder of traces."""
    folder = os.environ.get("NSML_TRACES")
    return path if path.exists() or not folder else Path(folder, path)


def _lacking(columns: Iterable[str], needed: Sequence[str]) -> list[str]:
    return [name for name in needed if name not in set(columns)]


def _lacking_all(columns: Iterable[str], names: Sequence[str]) -> bool:
    return len(_lacking(columns, names)) == len(names)


def _plain(path: Path, row: Row) -> Row:
    """Return a row of jobs under our names, its numbers known to be such."""
    plain = {name: next(row[old] for old in olds if old in row) for name, olds in _NAMES.items()}
    for name, value in plain.items():
        _number(path, name, value)
    rest = {name: row.get(name) or "0" for name in ("priority", "cpus", "memory_bytes")}
    for name, value in rest.items():
        _number(path, name, value)
    return {**rest, **plain, "tenant": row.get("tenant") or "all", "job": row.get("job", "")}


def _number(path: Path, column: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise Invalid(f"{path.name} has {value!r} in column {column}: write a number.") from None


def _task(at: int, row: Row, per_node: int) -> Task:
    gpus = int(float(row["num_gpus"]))
    cpus, memory = int(float(row["cpus"]) * _MILLI), int(float(row["memory_bytes"]))
    submitted = float(row["submit_s"])
    split = per_node and gpus > per_node
    left = gpus % per_node if split else 0
    job = Job(
        row["job"] or f"job-{at:06}",
        row["tenant"],
        ask=Ask(per_node if split else gpus, cpus, memory),
        members=gpus // per_node if split else 1,
        rest=Ask(left, cpus, memory) if left else None,
        priority=int(float(row["priority"])),
        preemptible=True,
        saved_seconds=inf,
        submitted=submitted,
        waiting_since=submitted,
    )
    return Task(job, max(float(row["duration_s"]), 0.0))


def _ask(path: Path, row: Row) -> Ask:
    cpus, memory, gpus, milli = (int(_number(path, name, row[name] or "0")) for name in _PODS)
    models = frozenset(row.get("gpu_spec", "").split("|")) - {""}
    memory *= _MIB
    return Ask(gpus, cpus, memory, min(milli or WHOLE, WHOLE) if gpus == 1 else WHOLE, models)


def _host(path: Path, row: Row) -> Host:
    cpus, memory, gpus = (int(_number(path, name, row[name])) for name in _NODES[1:4])
    return Host(row["sn"], cpus, memory * _MIB, _gpus(gpus, row["model"]))


def _own_host(path: Path, row: Row) -> Host:
    cpus, memory, gpus = (int(_number(path, name, row[name])) for name in _OWN_NODES[1:4])
    return Host(row["node"], cpus * _MILLI, memory, _gpus(gpus, row["model"]))


def _gpus(count: int, model: str = "") -> tuple[Gpu, ...]:
    return tuple(Gpu(str(place), model) for place in range(count))
