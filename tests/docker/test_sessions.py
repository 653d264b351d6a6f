"""Sessions in containers: what they find, what they leave, and how they end."""

import pytest

from nsml_protos.session_pb2 import (
    PLATFORM,
    STDERR,
    Input,
    Job,
    Mount,
    Order,
    Resources,
    StopOrder,
)
from nsml_runner.containers import Engine
from tests.docker.daemon import IMAGE
from tests.runner.conftest import Platform
from tests.runner.recorder import Told

pytestmark = pytest.mark.usefixtures("node")

MEGABYTE = 1 << 20


async def test_a_session_finds_code_data_and_sdk_and_leaves_checkpoint_and_output(
    platform: Platform, engine: Engine
) -> None:
    code = (
        "import os, nsml\n"
        "print(os.getcwd(), nsml.DATASET_PATH, open(nsml.DATASET_PATH + '/train').read())\n"
        "def save(folder): open(os.path.join(folder, 'model'), 'w').write('weights')\n"
        "def load(folder): print(open(os.path.join(folder, 'model')).read())\n"
        "nsml.bind(save=save, load=load)\n"
        "nsml.report(step=1, loss=0.5)\n"
        "nsml.save('one')\n"
        "nsml.load('one')\n"
        "open(os.path.join(os.environ['NSML_OUTPUT'], 'result'), 'w').write('done')\n"
    )
    data = await platform.push_files({"train": "images"})
    mounts = [Mount(dataset="mnist", revision=1, tree=data)]
    told = await platform.run(code, datasets=mounts, config='{"lr": 1}')
    name = told.assignment.session.name

    assert told.output().decode().splitlines() == [
        "/nsml/code /nsml/data/mnist images",
        "weights",
    ]
    assert (told.outcome.exit_code, told.output(STDERR)) == (0, b"")
    assert [point.name for point in told.checkpoints] == ["one"]
    assert told.outcome.output_tree
    assert told.started[0].startswith("image-")
    assert not platform.work(name).exists()
    assert engine.find({"nsml.session": name, "nsml.home": str(platform.home)}) == []


async def test_memory_over_the_limit_is_killed_and_said(platform: Platform) -> None:
    code = "kept = []\nwhile True: kept.append(b'x' * (8 << 20))"
    told = await platform.run(code, resources=Resources(memory_bytes=128 * MEGABYTE))

    assert told.outcome.out_of_memory
    assert told.outcome.signal == 9
    assert told.outcome.message.startswith("out of memory: used 1")
    assert told.outcome.message.endswith(" of 128.0 MB")


async def test_a_stop_order_lets_code_save_first(platform: Platform) -> None:
    code = (
        "import signal, sys, time\n"
        "def save(*_): print('saved', flush=True); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, save); print('ready', flush=True)\n"
        "while True: time.sleep(0.05)\n"
    )
    told = await begun(platform, code)
    await told.orders.put(Order(stop=StopOrder(reason="enough", grace_seconds=60)))
    assert await platform.runners[told.assignment.session.name].ended() == 0

    assert told.output() == b"ready\nsaved\n"
    assert told.end is not None
    assert told.end.stopped


async def test_a_time_limit_ends_code(platform: Platform) -> None:
    code = "import time; print('up', flush=True); time.sleep(600)"
    told = await platform.run(code, resources=Resources(time_limit_seconds=1))

    assert (told.outcome.time_limit, told.outcome.signal) == (True, 15)


async def test_a_job_finds_everything_mounted_in_its_place(platform: Platform) -> None:
    data = await platform.push_files({"train": "images"})
    begun_with = await platform.push_files({"old.pt": "old"})
    job = Job(
        name="job",
        image=IMAGE,
        workspace_path="/workspace",
        folder="cifar",
        data_path="/workspace/data",
        output_path="/ckpt",
        setup="export GREETING=hello",
        command="pwd; cat ../data/train; echo; ls /ckpt $CKPT_DIR; echo $GREETING; cat main.py",
        input=Input(session="ada/None/9", checkpoint="7", tree=begun_with, step=7, path="/ckpt"),
    )
    told = await platform.run(
        {"main.py": "code"},
        entry="",
        job=job,
        datasets=[Mount(dataset="cifar", revision=1, tree=data)],
    )

    assert told.output(STDERR) == b""
    assert told.output().decode().split() == [
        "/workspace/cifar",
        "images",
        *("/ckpt:", "old.pt", "/ckpt:", "old.pt"),
        "hello",
        "code",
    ]
    assert b"not used" not in told.output(PLATFORM)


async def begun(platform: Platform, code: str) -> Told:
    told = await platform.start(await platform.assign(code))
    await told.until(lambda told: told.output())
    return told
