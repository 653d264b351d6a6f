"""`python -m nsml_scheduler.simulate`: replay a trace, print progress and then figures as JSON."""

import argparse
import csv
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from math import ceil
from pathlib import Path
from typing import Any

from nsml_core.errors import Error, Invalid
from nsml_scheduler.policy.model import Host, Rules
from nsml_scheduler.simulate import traces
from nsml_scheduler.simulate.filling import PLACERS, fill
from nsml_scheduler.simulate.metrics import measure
from nsml_scheduler.simulate.policies import POLICIES
from nsml_scheduler.simulate.replay import Outcome, Replay, Task

_LOAD = 0.9
_PER_NODE = 8


def main() -> int:
    given = _arguments()
    try:
        found = _simulate(given)
    except Error as error:
        print(json.dumps({"error": error.sentence, "kind": type(error).__name__}))
        return 1
    except KeyboardInterrupt:
        return 130
    print(json.dumps(found))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nsml_scheduler.simulate", description=__doc__)
    parser.add_argument("trace", type=Path)
    parser.add_argument("--policy", default="")
    parser.add_argument("--nodes", default="")
    parser.add_argument("--weight", action="append", default=[])
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--log", type=Path)
    return parser.parse_args()


def _simulate(given: argparse.Namespace) -> dict[str, Any]:
    trace = traces.read(given.trace)
    if isinstance(trace, traces.Pods):
        return _fill(trace, given)
    hosts = traces.nodes(given.nodes) if given.nodes else _enough(trace)
    weights = _weights(given.weight, trace.tenants)
    per_node = max((len(host.gpus) for host in hosts), default=0)
    tasks = trace.tasks(per_node)
    gpus = sum(len(host.gpus) for host in hosts)
    found = {
        name: _replay(name, tasks, hosts, weights, given.log)
        for name in _chosen(given.policy or "default", list(POLICIES))
    }
    return {
        "kind": "queue",
        "nodes": len(hosts),
        "gpus": gpus,
        "load": _load(tasks, gpus),
        "policies": found,
    }


def _chosen(typed: str, known: Sequence[str]) -> list[str]:
    names = typed.split(",")
    for name in names:
        if name not in known:
            raise Invalid(f"There is no policy {name!r} for this trace: {', '.join(known)}.")
    return names


def _enough(trace: traces.Jobs) -> list[Host]:
    """Return as many nodes as the trace keeps busy for nine tenths of the time."""
    tasks = trace.tasks(_PER_NODE)
    largest = max(task.job.gpu_share for task in tasks)
    count = ceil(_load(tasks, _PER_NODE) / _LOAD)
    return traces.alike(max(count, ceil(largest / _PER_NODE)), _PER_NODE)


def _load(tasks: Sequence[Task], gpus: float) -> float:
    """Return what is asked for of what there is, from the first to the last that comes."""
    span = tasks[-1].job.submitted - tasks[0].job.submitted
    asked = sum(task.seconds * task.job.gpu_share for task in tasks)
    return asked / (span * gpus) if span and gpus else 1.0


def _weights(typed: Sequence[str], tenants: set[str]) -> dict[str, float]:
    weights = {}
    for each in typed:
        tenant, _, number = each.partition("=")
        if tenant not in tenants or not number.replace(".", "", 1).isdigit() or not float(number):
            raise Invalid(f"--weight is TENANT=NUMBER with a tenant of the trace, not {each!r}.")
        weights[tenant] = float(number)
    return weights


def _replay(
    name: str,
    tasks: Sequence[Task],
    hosts: Sequence[Host],
    weights: Mapping[str, float],
    log: Path | None,
) -> dict[str, Any]:
    policy = POLICIES[name](Rules(weights=weights))
    if policy.knows_durations:
        tasks = [replace(task, job=replace(task.job, time_limit=task.seconds)) for task in tasks]
    outcome = Replay(tasks, hosts, policy, _progress(name, len(tasks))).run()
    if not outcome.ended:
        raise Invalid("No job of this trace fits on these nodes: --nodes takes larger ones.")
    if log:
        _write(log.with_stem(f"{log.stem}-{name}") if log.exists() else log, outcome)
    return asdict(measure(tasks, outcome, sum(len(host.gpus) for host in hosts), weights))


def _progress(name: str, count: int) -> Any:
    step = max(count // 100, 1)

    def tell(done: int) -> None:
        if done % step == 0 or done == count:
            print(json.dumps({"policy": name, "done": done, "of": count}), file=sys.stderr)

    return tell


def _write(path: Path, outcome: Outcome) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("job", "start_s", "stop_s", "alloc"))
        writer.writerows((run.job, run.start, run.stop, run.gpus) for run in outcome.runs)


def _fill(trace: traces.Pods, given: argparse.Namespace) -> dict[str, Any]:
    if not given.nodes:
        raise Invalid("This trace has no times, only needs: name its nodes, with --nodes FILE.")
    hosts = traces.nodes(given.nodes)
    names = _chosen(given.policy or ",".join(PLACERS), PLACERS)
    found = {name: asdict(fill(hosts, trace.asks, name, given.seed)) for name in names}
    return {
        "kind": "fill",
        "nodes": len(hosts),
        "gpus": sum(len(host.gpus) for host in hosts),
        "policies": found,
    }


if __name__ == "__main__":
    sys.exit(main())
