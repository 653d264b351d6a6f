"""Attempts that end because somebody wants it: stopped, superseded, shut down; none is left."""

import psutil

from nsml_protos import session_pb2
from tests.runner.conftest import Platform, until
from tests.runner.packages import package
from tests.runner.recorder import Told

DEAF = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
double = subprocess.Popen([sys.executable, "-c",
    "import os, subprocess; print(subprocess.Popen(['sleep', '600'], start_new_session=True,"
    " stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid, flush=True)"],
    start_new_session=True)
double.wait()
print(child.pid, os.getpid(), "ready", flush=True)
time.sleep(600)
"""


def stop(grace: int) -> session_pb2.Order:
    return session_pb2.Order(stop=session_pb2.StopOrder(reason="enough", grace_seconds=grace))


def is_ready(told: Told) -> bool:
    return b"ready\n" in told.output()


def pids(told: Told) -> list[int]:
    return [int(word) for word in told.output().split() if word.isdigit()]


async def wait_ended(platform: Platform, told: Told) -> int:
    return await platform.runners[told.assignment.session.name].ended()


async def test_a_polite_program_ends_by_itself_when_stopped(platform: Platform) -> None:
    name = await platform.assign(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('saved'), sys.exit(0)))\n"
        "print('ready')\ntime.sleep(600)"
    )
    told = await platform.start(name)
    await told.until(is_ready)
    await told.orders.put(stop(60))

    assert await wait_ended(platform, told) == 0
    assert told.end is not None
    assert told.end.stopped
    assert told.outcome.exit_code == 0
    assert told.output() == b"ready\nsaved\n"


async def test_deaf_programs_and_their_hidden_children_are_killed(platform: Platform) -> None:
    told = await platform.start(await platform.assign(DEAF))
    await told.until(is_ready)
    await told.orders.put(stop(1))

    assert await wait_ended(platform, told) == 0
    assert told.end is not None
    assert told.end.stopped
    assert told.outcome.signal == 9
    assert len(pids(told)) == 3
    assert [pid for pid in pids(told) if psutil.pid_exists(pid)] == []


async def test_hidden_children_do_not_outlive_the_main_process(platform: Platform) -> None:
    told = await platform.run(DEAF.replace("time.sleep(600)", ""))

    assert len(pids(told)) == 3
    assert [pid for pid in pids(told) if psutil.pid_exists(pid)] == []


async def test_superseded_user_code_is_killed_and_nothing_more_is_told(platform: Platform) -> None:
    told = await platform.start(await platform.assign(DEAF))
    await told.until(is_ready)
    superseded = session_pb2.Superseded(reason="another attempt has taken its place")
    await told.orders.put(session_pb2.Order(superseded=superseded))

    assert await wait_ended(platform, told) == 3
    assert told.end is None
    assert [pid for pid in pids(told) if psutil.pid_exists(pid)] == []


async def test_a_refused_link_means_superseded(platform: Platform) -> None:
    name = await platform.assign(DEAF)
    told = await platform.start(name)
    await told.until(is_ready)
    await platform.shut("session")
    platform.recorder.refused.add(name)
    await platform.open("session")

    assert await wait_ended(platform, told) == 3
    assert told.end is None
    assert [pid for pid in pids(told) if psutil.pid_exists(pid)] == []


async def test_an_attempt_that_is_not_the_current_one_does_not_begin(platform: Platform) -> None:
    name = await platform.assign("print(1)")
    platform.recorder.refused.add(name)
    told = await platform.start(name)

    assert await wait_ended(platform, told) == 3
    assert told.started == []
    assert not platform.work(name).exists()


async def test_a_session_stopped_before_its_runner_began_does_not_start(platform: Platform) -> None:
    name = await platform.assign("print(1)")
    told = platform.recorder.told[name]
    told.assignment.session.stop_actor = "user:ada"
    await platform.start(name)

    assert await wait_ended(platform, told) == 0
    assert told.started == []
    assert told.end is not None
    assert told.end.stopped


async def test_a_session_is_stopped_while_its_environment_is_built(platform: Platform) -> None:
    marker = platform.home / "building"
    wait = f"import pathlib, time; pathlib.Path({str(marker)!r}).touch(); time.sleep(600)"
    name = await platform.assign(
        {
            "main.py": "print(1)",
            "requirements.txt": "./slow",
            **package("slow/", "slow", then=wait),
        }
    )
    told = await platform.start(name)
    await until(lambda: marker.exists() or told.end)
    await told.orders.put(stop(60))

    assert await wait_ended(platform, told) == 0
    assert told.end is not None
    assert told.end.stopped
    assert told.started == []


async def test_a_runner_told_to_end_stops_its_code_and_says_so(platform: Platform) -> None:
    name = await platform.assign(DEAF)
    told = await platform.start(name)
    await told.until(is_ready)
    platform.runners[name].terminate()

    assert await wait_ended(platform, told) == 0
    assert told.end is not None
    assert not told.end.stopped
    assert told.outcome.message == "the platform was shut down on this node"
    assert [pid for pid in pids(told) if psutil.pid_exists(pid)] == []


async def test_a_runner_told_to_end_does_not_wait_for_ever(platform: Platform) -> None:
    name = await platform.assign(DEAF)
    told = await platform.start(name)
    await told.until(is_ready)
    await platform.shut("session")
    platform.runners[name].terminate()

    assert await wait_ended(platform, told) == 4
    assert [pid for pid in pids(told) if psutil.pid_exists(pid)] == []
