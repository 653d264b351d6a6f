"""How well and how fast the planner plans, on traces of real clusters, which lie outside.

Name their folder by `--traces` or NSML_TRACES; else the slices of `bench/traces` are measured.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.figures import Figure, Goal, Row, quantile
from nsml_scheduler.policy.fleet import Fleet
from nsml_scheduler.policy.model import Ask, Gpu, Host, Job, Part, Rules
from nsml_scheduler.policy.packing import Packing
from nsml_scheduler.policy.place import Choose, best_fit, place
from nsml_scheduler.policy.plan import View, plan
from nsml_scheduler.simulate import traces
from nsml_scheduler.simulate.filling import PLACERS, fill
from nsml_scheduler.simulate.metrics import Metrics
from nsml_scheduler.simulate.metrics import measure as metrics_of
from nsml_scheduler.simulate.policies import POLICIES
from nsml_scheduler.simulate.replay import Replay

_PUBLISHED = {
    "default": 95.23,
    "cpu050": None,
    "cpu200": 94.82,
    "gpushare40": None,
    "gpushare80": 89.08,
    "gpuspec10": None,
    "gpuspec25": 93.91,
    "multigpu20": None,
    "multigpu40": 96.91,
}
_WEIGHTS = {
    **dict.fromkeys(("6214e9", "b436b2", "ee9e8c"), 64.0),
    **dict.fromkeys(("7f04ca", "6c71a0", "0e4a51"), 32.0),
    **dict.fromkeys(("11cb48", "e13805", "2869ce"), 16.0),
    **dict.fromkeys(("ed69ec", "103959"), 8.0),
}
_SLICES = Path(__file__).parent / "traces"
_SEED = 42
_HOSTS = 10_000
_DECISIONS = 10_000


def measure() -> Row:
    folder = os.environ.get("NSML_TRACES")
    figures, raw = _speed()
    if folder is None:
        print("  without --traces, the folder of the whole traces, slices of them are measured")
        return Row([*figures, *_slices()], raw)
    return Row([*figures, *_filling(Path(folder)), *_queueing(Path(folder))], raw)


def _slices() -> Iterator[Figure]:
    """Yield what is too small to be held against the goals, and large enough to go wrong."""
    hosts = traces.nodes(str(_SLICES / "openb-nodes.csv"))
    for mix in ("default", "gpuspec25"):
        for placer in PLACERS:
            given = 100 * fill(hosts, _pods(_SLICES / f"openb-{mix}.csv"), placer, _SEED).allocated
            yield Figure(f"slice of openb {mix}, {placer}", given, "%")
    for name, path, nodes in (("Philly", "philly-day.csv", 48), ("ITP-1", "itp-1.csv", 8)):
        for policy in ("easy", "default"):
            found = _replayed(_SLICES / path, nodes, {}, policy)
            yield Figure(f"slice of {name}, {policy}: mean wait", found.wait_mean, "s")
            yield Figure(f"slice of {name}, {policy}: p99 wait", found.wait_p99, "s")


def _pods(path: Path) -> Sequence[Ask]:
    pods = traces.read(path)
    if not isinstance(pods, traces.Pods):
        raise TypeError(path)
    return pods.asks


def _filling(folder: Path) -> Iterator[Figure]:
    here = folder / "openb-2023"
    hosts = traces.nodes(str(here / "openb_node_list_gpu_node.csv.gz"))
    found = []
    for mix, published in _PUBLISHED.items():
        asks = _pods(here / f"openb_pod_list_{mix}.csv.gz")
        found.append(100 * fill(hosts, asks, "default", _SEED).allocated)
        goal = Goal("≥", published - 0.1) if published else None
        yield Figure(f"openb {mix}, GPUs allocated at 100 %", found[-1], "%", goal)
    yield Figure("openb, mean of nine mixes", sum(found) / len(found), "%", Goal("≥", 95.0))


def _queueing(folder: Path) -> Iterator[Figure]:
    philly = partial(_replayed, folder / "philly-2017/philly.csv.gz", 80, _WEIGHTS)
    found = philly("default")
    yield Figure("Philly October, mean wait", found.wait_mean, "s", Goal("≤", 550))
    yield Figure("Philly October, fairness (Jain)", found.jain, "", Goal("≥", 0.997))
    yield Figure("Philly October, stops a job", found.stops_per_job, "", Goal("≤", 0.15))
    yield from _tail("Philly October", found, philly)
    for number, nodes, goal in ((3, 20, None), (4, 68, Goal("≤", 4294))):
        itp = partial(_replayed, folder / f"itp-2021/cluster0{number}.csv.gz", nodes, {})
        found = itp("default")
        yield Figure(f"ITP-{number}, mean wait", found.wait_mean, "s", goal)
        yield from _tail(f"ITP-{number}", found, itp)


def _tail(name: str, found: Metrics, replayed: Callable[[str], Metrics]) -> Iterator[Figure]:
    easy = replayed("easy").wait_p99
    yield Figure(f"{name}, p99 wait for each of EASY's", found.wait_p99 / easy, "", Goal("≤", 1))


def _replayed(path: Path, nodes: int, weights: Mapping[str, float], name: str) -> Metrics:
    trace = traces.read(path)
    if not isinstance(trace, traces.Jobs):
        raise TypeError(path)
    policy = POLICIES[name](Rules(weights=weights))
    tasks = trace.tasks(8)
    if policy.knows_durations:
        tasks = [replace(task, job=replace(task.job, time_limit=task.seconds)) for task in tasks]
    outcome = Replay(tasks, traces.alike(nodes, 8), policy).run()
    return metrics_of(tasks, outcome, 8 * nodes, weights)


def _speed() -> tuple[list[Figure], dict[str, list[float]]]:
    """Come and go on a fleet that is nine tenths full, as it would be."""
    asks = _asks()
    fleet = Fleet(_fleet())
    shares = _decide(fleet, Packing(fleet, Counter(asks)), asks)
    gangs = [Ask(gpus, 8, 1) for gpus in (1, 1, 1, 1, 2, 4, 8, 8)]
    whole = _decide(Fleet(_fleet()), best_fit, gangs)
    figures = [
        Figure("decisions/s against fragments, 80,000 GPUs", _rate(shares), "1/s", Goal("≥", 1e4)),
        Figure("the same, p99", 1e3 * quantile(shares, 0.99), "ms", Goal("≤", 1)),
        Figure("decisions/s of best fit, whole GPUs", _rate(whole), "1/s", Goal("≥", 1e5)),
        Figure("a plan with 10,000 gangs waiting", _replan(), "s", Goal("≤", 1)),
    ]
    return figures, {"shares_s": shares, "whole_s": whole}


def _fleet() -> Iterator[Host]:
    for at in range(_HOSTS):
        model = ("A", "A", "B", "C")[at % 4]
        gpus = tuple(Gpu(str(place), model) for place in range(8))
        yield Host(f"n{at:05}", 96_000, 768 << 30, gpus)


def _asks() -> list[Ask]:
    """Make as many distinct needs as a large cluster sees; small ones are asked for most."""
    chance = random.Random(_SEED)  # noqa: S311 - the same every time
    shapes = [(1, 250), (1, 500), (1, 1000), (1, 1000), (2, 1000), (4, 1000), (8, 1000)]
    asks = []
    for _ in range(150):
        gpus, milli = chance.choice(shapes)
        cpus = gpus * chance.choice((2000, 4000, 6000, 8000, 11_000))
        memory = gpus * chance.choice((8, 16, 32, 64)) << 30
        models = frozenset(chance.choice(("", "", "", "A", "B")) or ())
        asks.append(Ask(gpus, cpus, memory, milli, models))
    return asks


def _decide(fleet: Fleet, choose: Choose, asks: list[Ask]) -> list[float]:
    chance = random.Random(_SEED)  # noqa: S311 - the same every time
    held: list[tuple[Part, ...]] = []
    while fleet.gpus_free > 0.1 * fleet.gpus:
        parts = place(fleet, Job("", ask=chance.choice(asks)), choose)
        if parts:
            fleet.occupy(parts)
            held.append(parts)
    taken = []
    for _ in range(_DECISIONS):
        fleet.release(held.pop(chance.randrange(len(held))))
        job = Job("", ask=chance.choice(asks))
        begin = time.thread_time()
        parts = place(fleet, job, choose)
        fleet.occupy(parts or ())
        taken.append(time.thread_time() - begin)
        if parts:
            held.append(parts)
    return taken


def _rate(seconds: list[float]) -> float:
    return len(seconds) / sum(seconds)


def _replan() -> float:
    fleet = Fleet(_fleet())
    for room in list(fleet.rooms.values()):
        fleet.occupy([room.part(Ask(8))])
    waiting = [
        Job(f"j{at}", f"u{at % 100}", ask=Ask(8), members=1 + at % 8, submitted=at)
        for at in range(10_000)
    ]
    begin = time.thread_time()
    plan(View(fleet, [], waiting), Rules(), 20_000.0)
    return time.thread_time() - begin
