"""A job's command finds its code, data and checkpoints where the job file says."""

import json
from pathlib import Path
from typing import Any

import pytest

from nsml_protos.session_pb2 import (
    PLATFORM,
    STDERR,
    Checkpoint,
    Input,
    Job,
    Mount,
    Order,
    Resources,
    StopOrder,
)
from nsml_runner.jobs import Root
from tests.runner.conftest import Platform
from tests.runner.recorder import Told

JOB: dict[str, Any] = {
    "name": "cifar-job",
    "image": "friendliai/periflow:sdk",
    "workspace_path": "/workspace",
    "folder": "cifar",
    "data_path": "/workspace/data",
    "output_path": "/workspace/ckpt",
}
SHOW = """
import json, os, sys
print(json.dumps({
    "cwd": os.getcwd().partition("/root")[2],
    "args": [argument.partition("/root")[2] or argument for argument in sys.argv[1:]],
    "env": {name: os.environ.get(name) for name in sys.argv[1].split(",")},
    "files": sorted(os.listdir("..")),
}))
"""


async def run(platform: Platform, command: str, files: dict[str, str], **job: Any) -> Told:
    data = await platform.push_files({"cifar-100-python/train": "images"})
    mounts = [Mount(dataset="my-cifar-100", revision=1, tree=data)]
    asked = Job(**{**JOB, "command": command, **job})
    name = await platform.assign(
        files, entry="", job=asked, datasets=mounts, resources=Resources(gpus=4, cpus=1)
    )
    told = await platform.start(name)
    assert await platform.runners[name].ended() == 0
    return told


async def test_a_job_finds_everything_in_its_place(platform: Platform) -> None:
    command = (
        "cd /workspace/cifar && cat ../data/cifar-100-python/train && echo &&\\\n"
        "  python main.py NUM_NODES,NODE_RANK,NPROC_PER_NODE,WORLD_SIZE,RANK,CKPT_DIR "
        "--data-path /workspace/data --save=/workspace/ckpt --url http://x/workspace"
    )
    told = await run(platform, command, {"main.py": SHOW})
    data, seen = told.output().decode().splitlines()
    shown = json.loads(seen)
    root = shown["env"].pop("CKPT_DIR").removesuffix("/workspace/ckpt")

    assert data == "images"
    assert shown["cwd"] == "/workspace/cifar"
    assert shown["files"] == ["cifar", "ckpt", "data"]
    assert shown["args"][1:] == [
        *("--data-path", "/workspace/data"),
        "/workspace/ckpt",
        *("--url", "http://x/workspace"),
    ]
    assert shown["env"] == {
        "NUM_NODES": "1",
        "NODE_RANK": "0",
        "NPROC_PER_NODE": "4",
        "WORLD_SIZE": "4",
        "RANK": "0",
    }
    assert (
        "The image 'friendliai/periflow:sdk' is not used: the command runs as a process of this "
        f"node, where {root} stands before /workspace, /workspace/data, /workspace/ckpt"
    ) in told.output(PLATFORM).decode()


async def test_what_the_setup_exports_is_there_and_its_failure_ends_the_job(
    platform: Platform,
) -> None:
    well = await run(platform, "echo $GREETING $#", {"a": "b"}, setup="export GREETING=hello # ok")
    badly = await run(platform, "echo no", {"a": "b"}, setup="echo 'no such package' >&2; (exit 3)")

    assert well.output() == b"hello 0\n"
    assert (badly.output(), badly.outcome.exit_code) == (b"", 3)
    assert badly.outcome.message == "no such package"


async def test_variables_of_the_job_file_name_the_same_places(platform: Platform) -> None:
    job = Job(**{**JOB, "command": "cat $FILE; echo $MY_PATH", "data_path": ""})
    told = await platform.run(
        {"a.txt": "here\n"},
        entry="",
        job=job,
        env={"FILE": "/workspace/cifar/a.txt", "MY_PATH": "/usr/bin:/workspaces"},
    )

    assert told.output() == b"here\n/usr/bin:/workspaces\n"


async def test_a_job_begins_with_the_checkpoint_that_it_names(platform: Platform) -> None:
    tree = await platform.push_files({"checkpoint.pt": "weights"})
    both = Input(session="ada/None/9", checkpoint="7", tree=tree, step=7, path="/workspace/ckpt")
    told = await run(
        platform,
        "cat /workspace/ckpt/checkpoint.pt; echo more > /workspace/ckpt/new; echo $PROCESSED_ITERS",
        {"a": "b"},
        input=both,
    )

    assert told.output() == b"weights7\n"


async def test_a_resumed_job_finds_its_latest_checkpoint_where_it_writes_them(
    platform: Platform,
) -> None:
    begun = await platform.push_files({"old.pt": "old"})
    tree = await platform.push_files({"checkpoint.pt": "weights"})
    path = Input(session="ada/None/9", checkpoint="7", tree=begun, step=7, path="/workspace/ckpt")
    job = Job(**{**JOB, "command": "ls /workspace/ckpt; echo $PROCESSED_ITERS", "data_path": ""})
    job.input.CopyFrom(path)
    name = await platform.assign({"a": "b"}, entry="", job=job)
    session = platform.recorder.told[name].assignment.session
    session.start.CopyFrom(Checkpoint(name="20", tree=tree, step=20))
    told = await platform.start(name)
    assert await platform.runners[name].ended() == 0

    assert told.output() == b"checkpoint.pt\n20\n"


async def test_what_a_stopped_job_runs_may_save_first(platform: Platform) -> None:
    code = (
        "import signal, sys, time\n"
        "def save(*_): time.sleep(0.2); print('saved', flush=True); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, save); print('ready', flush=True)\n"
        "while True: time.sleep(0.05)\n"
    )
    job = Job(**{**JOB, "command": "python main.py; echo and on", "data_path": ""})
    name = await platform.assign({"main.py": code}, entry="", job=job)
    told = await platform.start(name)
    await told.until(lambda told: b"ready\n" in told.output())
    await told.orders.put(Order(stop=StopOrder(reason="enough", grace_seconds=60)))
    assert await platform.runners[name].ended() == 0

    assert told.output() == b"ready\nsaved\n"
    assert told.end is not None
    assert told.end.stopped


async def test_a_damaged_input_is_found_before_the_job_starts(platform: Platform) -> None:
    gone = Input(session="ada/None/9", checkpoint="7", tree="0" * 64, path="/workspace/in")
    told = await run(platform, "echo never", {"a": "b"}, input=gone)

    assert (told.started, told.output(), told.output(STDERR)) == ([], b"", b"")
    assert told.outcome.message == (
        "Checkpoint 7 of ada/None/9 is damaged in the store: begin with another."
    )


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("/workspace", "/r/workspace"),
        ("--a=/workspace/x,/workspace/y", "--a=/r/workspace/x,/r/workspace/y"),
        ("cc -I/workspace/include", "cc -I/r/workspace/include"),
        ("PATH=/bin:/data/bin", "PATH=/bin:/r/data/bin"),
        ("'/data'/*.txt", "'/r/data'/*.txt"),
        ("/workspaces /workspace-2 /workspace.old", "/workspaces /workspace-2 /workspace.old"),
        ("/mnt/data $HOME/data ${A}/data ~/data ../data", None),
        ("http://host/data s3://data/data file:///data", None),
        ("$(pwd)/data", None),
    ],
)
def test_a_path_is_replaced_where_it_begins_and_ends(text: str, seen: str | None) -> None:
    root = Root(Path("/r"), ["/workspace", "/data", "/workspace/data"])

    assert root.replace(text) == (text if seen is None else seen)
