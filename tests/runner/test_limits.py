"""User code gets what it was promised, and no more."""

import json

from nsml_protos import session_pb2
from tests.faults.test_disk import filled, small_disk
from tests.runner.conftest import Platform
from tests.runner.recorder import Told

MEGABYTE = 1 << 20

EAT = """
import os, sys, time
kept = []
while True:
    kept.append(b"x" * (8 << 20))
    time.sleep(0.01)
"""


async def test_code_that_takes_too_much_memory_is_killed(platform: Platform) -> None:
    resources = session_pb2.Resources(memory_bytes=100 * MEGABYTE)
    told = await platform.run(EAT, resources=resources)

    assert told.outcome.out_of_memory
    assert told.outcome.signal == 9
    assert told.outcome.message.startswith("out of memory: used ")
    assert told.outcome.message.endswith(" of 100.0 MB")


async def test_memory_of_children_counts(platform: Platform) -> None:
    code = (
        f"import subprocess, sys\nEAT = {EAT!r}\n"
        "for _ in range(2): child = subprocess.Popen([sys.executable, '-c', EAT])\n"
        "child.wait()"
    )
    resources = session_pb2.Resources(memory_bytes=200 * MEGABYTE)
    told = await platform.run(code, resources=resources)

    assert told.outcome.out_of_memory


async def test_memory_that_processes_share_counts_once(platform: Platform) -> None:
    code = (
        "import os, time\n"
        "shared = b'x' * (60 << 20)\n"
        "children = [os.fork() for _ in range(1)]\n"
        "if children[0]: children.append(os.fork())\n"
        "time.sleep(2)\n"
        "if all(children):\n"
        "    for _ in children: os.wait()\n"
        "    print('done')"
    )
    resources = session_pb2.Resources(memory_bytes=150 * MEGABYTE)
    told = await platform.run(code, resources=resources)

    assert told.outcome == session_pb2.Outcome(exit_code=0)
    assert told.output() == b"done\n"


async def test_code_that_takes_too_long_is_ended(platform: Platform) -> None:
    resources = session_pb2.Resources(time_limit_seconds=1)
    told = await platform.run("import time; print('up'); time.sleep(600)", resources=resources)

    assert told.outcome.time_limit
    assert told.outcome.signal == 15
    assert told.outcome.message == "the time limit of 1 s was reached"


async def test_code_runs_on_its_own_cpus(platform: Platform) -> None:
    code = "import os; print(sorted(os.sched_getaffinity(0)))"
    told = await platform.run(code, resources=session_pb2.Resources(cpus=1))

    assert len(json.loads(told.output())) == 1


async def test_use_is_sampled(platform: Platform) -> None:
    code = "import pathlib\nwhile not pathlib.Path('enough').exists(): pass"
    resources = session_pb2.Resources(gpus=1)
    name = await platform.assign(code, devices=["0"], resources=resources)
    told = await platform.start(name)
    await told.until(lambda told: any(sample.cpu_cores > 0 for sample in samples(told)))
    (platform.work(name) / "code" / "enough").touch()
    assert await platform.runners[name].ended() == 0

    sample = samples(told)[-1]
    assert sample.memory_bytes > MEGABYTE
    # Declared devices need not exist: then there is nothing to tell of them.
    assert len(sample.gpu_utilization) == len(sample.gpu_memory_bytes) <= 1


def samples(told: Told) -> list[session_pb2.Usage]:
    return [sample for frame in told.frames for sample in frame.usage]


async def test_a_node_whose_disk_is_full_says_so(platform: Platform) -> None:
    with small_disk(platform.home / "work", 1), filled(platform.home / "work"):
        told = await platform.run("print('hello')")

    assert told.started == []
    assert told.outcome.message.startswith("There is no room on the disk for what this session")
